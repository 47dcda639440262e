/* SPDX-License-Identifier: Apache-2.0 */
/* Arm, check, sleep, ring: reader.cpp and writer.cpp, S1..S4 with W6..W8, for each bell.
 *
 * BELL 0: the futex. 1: a descriptor, eventfd or line, that keeps a ring until it is read. 2: the futex, struck by
 * the ringer thread. No sleep ends by itself here; the real ones look after 50 ms, then each second. A lost wake-up
 * is a state in which nothing more happens with the reader asleep, which SPIN calls an invalid end state.
 */
#include "mutant.pml"
#define NO_W7 1            /* mutant: no fence between head and the look at wake_at */
#define NO_W7_STATE 2      /* mutant: none between the state and that look */
#define NO_S2 3            /* mutant: no fence between wake_at and the look at head */
#define NO_S3_HEAD 4       /* mutant: sleeps without a look at head */
#define NO_S3_STATE 5      /* mutant: sleeps without a look at the state */
#define S1_LATE 6          /* mutant[futex ringer]: the word is loaded after the look at head */
#define WORD_STAYS 7       /* mutant[futex ringer]: the futex is woken, its word stays */
#define EMPTIED_LATE 8     /* mutant[descriptor]: the descriptor is emptied after the look */
#define NO_W8 9            /* mutant: no bell for a frame */
#define NO_W8_STATE 10     /* mutant: no bell for a new state */
#define EACH_FRAME 11      /* mutant: a bell for each frame that finds it asleep */
#define STATE_LATE 12      /* mutant: the reader looks at the state after head */
#define STATE_RELAXED 13   /* equivalent: the fence of W7 comes before it */
#define POKED_EARLY 14     /* mutant[ringer]: the ringer is poked before it is told whom */
/* world: futex -DBELL=0 -DFRAMES=3 */
/* world: descriptor -DBELL=1 -DFRAMES=3 */
/* world: ringer -DBELL=2 -DFRAMES=2 */

#define HEAD 0
#define STATE 1
#define WORD 2
#define WAKE_AT 3
#define OWNED_WITH(w) ((w) < 2 -> 3 : BIT(w))
#include "store_buffer.pml"

bool asleep;            /* in FUTEX_WAIT */
byte unread;            /* rings that the descriptor keeps */
bool due, poked;        /* for the ringer */
byte struck;
byte bells[FRAMES + 2]; /* for each value of wake_at */

#define AWAKE (BELL == 1 -> unread > 0 : !asleep)
bool ends;              /* the stream ends after its frames, else it just falls silent */

/* System calls: whoever is in FUTEX_WAIT or FUTEX_WAKE has passed the kernel's own fence. */
inline strike() {
  if
  :: BELL == 1 -> unread = 1
  :: else ->
    struck++;
    UNLESS(WORD_STAYS, store(WORD, struck));
    fence(WORD);
    asleep = false
  fi
}

inline ring() {
  atomic { bells[wake_at]++; assert(bells[wake_at] <= 1 || ended) }; /* a stopped reader costs one bell */
  if
  :: BELL < 2 -> strike()
  :: BELL == 2 && IN(POKED_EARLY) -> poked = true; due = true
  :: BELL == 2 && !IN(POKED_EARLY) -> due = true; poked = true
  fi
}

proctype producer() {
  byte n = 1, wake_at, rung_for;
  bool ended;
  do
  :: n > FRAMES -> break
  :: else ->
    release(HEAD, n);                 /* W6 */
    UNLESS(NO_W7, fence(HEAD));       /* W7 */
    wake_at = mem[WAKE_AT];           /* W8 */
    if
    :: wake_at != 0 && wake_at <= n && (wake_at != rung_for || IN(EACH_FRAME)) && !IN(NO_W8) ->
      rung_for = wake_at;
      ring()
    :: else
    fi;
    wake_at = 0;
    n++
  od;
  if :: ends -> skip :: else -> goto silent fi;
  ended = true;
  if :: IN(STATE_RELAXED) -> store(STATE, 1) :: else -> release(STATE, 1) fi;
  UNLESS(NO_W7_STATE, fence(STATE));
  wake_at = mem[WAKE_AT];
  if
  :: wake_at != 0 && !IN(NO_W8_STATE) -> ring()
  :: else
  fi;
silent:
  skip
}

proctype ringer() {
end: /* it sleeps until it is poked */
  do
  :: poked -> poked = false; if :: atomic { due -> due = false }; strike() :: else fi
  od
}

proctype reader() {
  byte next = 1, word;
  bool state;
  do
  :: if :: IN(STATE_LATE) -> skip :: else -> state = mem[STATE] fi;
    if
    :: mem[HEAD] >= next -> next++; state = 0
    :: else ->
      if :: IN(STATE_LATE) -> state = mem[STATE] :: else fi;
      if :: state == 1 -> break :: else fi;
      if :: !IN(EMPTIED_LATE) -> unread = 0 :: else fi; /* it looks at its line before it arms */
      if :: !IN(S1_LATE) -> word = mem[WORD] :: else fi; /* S1 */
      store(WAKE_AT, next);
      UNLESS(NO_S2, fence(WAKE_AT));                     /* S2 */
      if                                                 /* S3 */
      :: mem[HEAD] >= next && !IN(NO_S3_HEAD) -> skip
      :: else ->
        if
        :: mem[STATE] != state && !IN(NO_S3_STATE) -> skip
        :: else ->
          if :: IN(S1_LATE) -> word = mem[WORD] :: else fi;
          if :: IN(EMPTIED_LATE) -> unread = 0 :: else fi;
          fence(WAKE_AT);                                /* S4 */
          atomic { asleep = (BELL != 1 && mem[WORD] == word) };
          if
          :: next > FRAMES && !ends ->
end:        AWAKE
          :: else -> AWAKE
          fi
        fi
      fi;
      word = 0;
      store(WAKE_AT, 0)
    fi
  od;
  assert(next > FRAMES) /* it has been told of the end after all frames */
}

init {
  atomic {
    choose_mutant();
    if :: ends = true :: ends = false fi;
    run producer();
    run reader();
    if :: BELL == 2 -> run ringer() :: else fi
  }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A reader comes and goes while frames flow: reader_table.h, with its letters P and C.
 *
 * The publishing thread, the control thread and one reader, who leases or sleeps once it is attached. Where a frame
 * lies is taken from where[]: records are lease.pml's business.
 */
#include "mutant.pml"
#define NO_P1 1         /* mutant: the section is not marked */
#define NO_P2_CLAIM 2   /* mutant: no fence between P1 and P3 in reserve */
#define NO_P2_WAKE 3    /* mutant: no fence between P1 and P3 in commit */
#define P5_EARLY 4      /* mutant: the section ends before the scan */
#define NO_C2 5         /* mutant: no fence at C2 */
#define NO_C3 6         /* mutant: nobody waits for the section's end */
#define C4_EARLY 7      /* equivalent: told attached before the wait; C2 with P2 shows it the announcement */
#define DETACHED_LATE 8 /* mutant: told detached after its leases have stopped to count */
#define R7_TRUSTS 9     /* mutant: R7 does not look whether it is still attached */
#define EAGER 10        /* mutant: leases before it is attached */
/* world: flow -DFRAMES=3 */

#define HEAD 0
#define RECLAIMED 1
#define BYTES(position) (2 + (position) % 2)
#define SECTION 4
#define BELL 5
#define TABLE 6
#define ATTACHMENT 7
#define LEASE 8
#define WAKE_AT 9
#define OWNED_WITH(w) ((w) < 6 -> 63 : ((w) < 8 -> BIT(6) | BIT(7) : BIT(8) | BIT(9)))
#include "store_buffer.pml"

byte where[FRAMES + 1];
bool unmapped;

inline enter() { section++; UNLESS(NO_P1, store(SECTION, section)) }        /* P1 */
inline leave() { section++; UNLESS(NO_P1, release(SECTION, section)) }      /* P5 */

inline scan(w, value) { /* P3, P4: the page is used some time after the table was loaded */
  table = mem[TABLE];
  if :: IN(P5_EARLY) -> leave() :: else fi;
  value = 0;
  if
  :: table -> atomic { assert(!unmapped); value = mem[w] }
  :: else
  fi;
  table = 0;
  if :: IN(P5_EARLY) -> skip :: else -> leave() fi
}

inline announce() {
  if
  :: position > 1 -> store(RECLAIMED, position - 1)
  :: else
  fi
}

proctype publishing() {
  byte n = 1, position, section, table, seen;
  do
  :: n > FRAMES -> break
  :: else ->
    enter();
    announce();
    UNLESS(NO_P2_CLAIM, fence(HEAD));
    scan(LEASE, seen);
    if
    :: seen != 0 && (where[seen] - position) % 2 == 0 -> /* step over it; the reader leases once */
      position++;
      announce();
      fence(HEAD)
    :: else
    fi;
    fence_release(HEAD);
    store(BYTES(position), n);
    where[n] = position;
    enter();
    release(HEAD, n);
    UNLESS(NO_P2_WAKE, fence(HEAD)); /* also W7 */
    scan(WAKE_AT, seen);
    if
    :: seen != 0 && seen <= n -> store(BELL, n); fence(HEAD)
    :: else
    fi;
    seen = 0;
    position++;
    n++
  od
}

inline swap_in(new) {
  release(TABLE, new);                                        /* C1 */
  UNLESS(NO_C2, fence(TABLE));                                /* C2 */
  if :: new && IN(C4_EARLY) -> release(ATTACHMENT, 1) :: else fi;
  before = mem[SECTION];                                      /* C3 */
  before % 2 == 0 || mem[SECTION] != before || IN(NO_C3);
  before = 0
}

proctype control() {
  byte before;
  swap_in(1);
  release(ATTACHMENT, 1);                                     /* C4 */
  if
  :: true -> /* and out again */
    UNLESS(DETACHED_LATE, release(ATTACHMENT, 2));
    swap_in(0);
    unmapped = true;                                          /* C4 */
    if :: IN(DETACHED_LATE) -> release(ATTACHMENT, 2) :: else fi
  :: true
  fi
}

proctype reader() {
  byte n, bytes;
  mem[ATTACHMENT] != 0 || IN(EAGER);
  n = mem[HEAD];
  if
  :: n != 0 -> /* leases the newest frame */
    release(LEASE, n);
    fence(LEASE);
    if
    :: where[n] >= mem[RECLAIMED] ->
      bytes = mem[BYTES(where[n])];
      if
      :: mem[ATTACHMENT] == 2 && !IN(R7_TRUSTS) -> skip /* R7 */
      :: else -> assert(bytes == n)
      fi
    :: else
    fi;
    release(LEASE, 0)
  :: n < FRAMES -> /* sleeps until the next one */
    store(WAKE_AT, n + 1);
    fence(WAKE_AT);
    if
    :: mem[HEAD] > n -> skip
    :: else -> mem[BELL] > n || mem[ATTACHMENT] == 2 /* for ever, if nobody rings: an invalid end */
    fi
  fi
}

init {
  atomic {
    choose_mutant();
    run publishing();
    run control();
    run reader()
  }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Publish, copy, lease, step over, revoke: writer.cpp and reader.cpp, with their letters.
 *
 * Frames of one place each, a ring of 2 or 3 places and as many slots, readers with a cell each: everything
 * collides. A place holds the number of the frame whose bytes are there.
 */
#include "mutant.pml"
#define NO_INTENT 1        /* mutant: W1 announces no slot */
#define NO_RECLAIMED 2     /* mutant[collide chase]: W1 announces no bytes */
#define ANNOUNCED_LATE 3   /* mutant: W1 comes after the scan */
#define NO_W2 4            /* mutant: no fence at W2 */
#define NO_STEPPING_OVER 5 /* mutant: W3 looks at no lease */
#define NO_REVOCATION 6    /* mutant[collide chase]: W3 tells nobody that his lease is revoked */
#define NO_W3_FENCE 7      /* mutant[chase]: no fence between W3 and W4 */
#define ALWAYS_STEPPING 8  /* mutant[chase]: W3 goes on stepping over for ever */
#define W5_W6_RELAXED 9    /* mutant: number and head are stored relaxed */
#define W6_RELAXED 10      /* mutant: head is stored relaxed */
#define NO_R3 11           /* mutant: R3 leases nothing */
#define NO_R4 12           /* mutant: no fence at R4 */
#define NO_R5_SLOT 13      /* mutant: R5 does not look at intent */
#define NO_R5_BYTES 14     /* mutant[collide chase]: R5 does not look at reclaimed */
#define NO_R7 15           /* mutant[collide chase]: R7 does not look at the revocation */
#define NO_C_SLOT 16       /* mutant[collide]: C does not look at intent */
#define NO_C_BYTES 17      /* mutant[collide]: C does not look at reclaimed */
#define FORGETFUL 18       /* mutant[again]: a lease is looked up at each scan, not remembered */

/* world: collide -DPLACES=2 -DREADERS=2 -DATTEMPTS=1 -DFRAMES=3 -DONLY_LEASES=0 */
/* world: chase -DPLACES=3 -DREADERS=1 -DATTEMPTS=3 -DFRAMES=5 -DONLY_LEASES=1 */
/* world: again -DPLACES=2 -DREADERS=1 -DATTEMPTS=1 -DFRAMES=4 -DONLY_LEASES=1 */
#define SLOTS PLACES
#define MOST_SCANS 3 /* cells of a reader + 2 */

#define HEAD 0
#define INTENT 1
#define RECLAIMED 2
#define NUMBER(n) (3 + (n) % SLOTS)
#define POSITION(n) (3 + SLOTS + (n) % SLOTS)
#define BYTES(position) (3 + 2 * SLOTS + (position) % PLACES)
#define REVOKED(r) (3 + 3 * SLOTS + (r))
#define LEASE(r) (3 + 3 * SLOTS + READERS + (r))
#define OWNED_WITH(w) ((w) < LEASE(0) -> BIT(LEASE(0)) - 1 : BIT(w))
#include "store_buffer.pml"

/* The producer's own: its records, and what it remembers of each lease while that stands. */
byte own_number[SLOTS], own_position[SLOTS];
byte seen[2], place[2];
bool known[2], revoked[2];

#define STANDS(r) (known[r] && !revoked[r])
#define IN_THE_WAY(r, p) (STANDS(r) && place[r] == (p) % PLACES)
#define FREE(p) (!IN_THE_WAY(0, p) && !IN_THE_WAY(1, p))

inline announce() { /* W1 */
  UNLESS(NO_INTENT, store(INTENT, n));
  if
  :: position + 1 > PLACES + reclaimed ->
    reclaimed = position + 1 - PLACES;
    UNLESS(NO_RECLAIMED, store(RECLAIMED, reclaimed))
  :: else
  fi
}

inline look_at_lease(r) { /* LeaseLedger::note */
  atomic {
    leased = (IN(NO_STEPPING_OVER) -> 0 : mem[LEASE(r)]);
    if
    :: leased != seen[r] || IN(FORGETFUL) -> seen[r] = leased; known[r] = false; revoked[r] = false
    :: else
    fi;
    if
    :: leased != 0 && !known[r] && own_number[leased % SLOTS] == leased ->
      known[r] = true;
      place[r] = own_position[leased % SLOTS] % PLACES
    :: else
    fi;
    leased = 0
  }
}

inline revoke(r) {
  revoked[r] = true;
  UNLESS(NO_REVOCATION, store(REVOKED(r), seen[r]))
}

proctype producer() {
  byte n = 1, position, reclaimed, leased, scans;
  do
  :: n > FRAMES -> break
  :: else ->
    scans = 0;
    do
    :: UNLESS(ANNOUNCED_LATE, announce());
      UNLESS(NO_W2, fence(HEAD)); /* W2 */
      look_at_lease(0);           /* W3 */
#if READERS > 1
      look_at_lease(1);
#endif
      scans++;
      assert(scans <= MOST_SCANS); /* the producer never waits, whatever readers do */
      if
      :: FREE(position) -> break
      :: else
      fi;
      if
      :: scans == MOST_SCANS && !IN(ALWAYS_STEPPING) -> /* who came after W1 fails at R5 */
        if :: IN_THE_WAY(0, position) -> revoke(0) :: else fi;
#if READERS > 1
        if :: IN_THE_WAY(1, position) -> revoke(1) :: else fi;
#endif
        break
      :: else
      fi;
      if
      :: FREE(position + 1) -> position = position + 1
      :: !FREE(position + 1) && PLACES > 2 && FREE(position + 2) -> position = position + 2
      :: else -> /* one reader loses its leases: here whichever, there by a rule */
        if
        :: STANDS(0) -> revoke(0)
#if READERS > 1
        :: STANDS(1) -> revoke(1)
#endif
        fi;
        if :: FREE(position) -> skip :: else -> position++ fi
      fi
    od;
    if :: IN(ANNOUNCED_LATE) -> announce() :: else fi;
    UNLESS(NO_W3_FENCE, fence_release(HEAD));
    store(BYTES(position), n);                                                    /* W4 */
    store(POSITION(n), position);                                                 /* W5 */
    if :: IN(W5_W6_RELAXED) -> store(NUMBER(n), n) :: else -> release(NUMBER(n), n) fi;
    d_step { own_number[n % SLOTS] = n; own_position[n % SLOTS] = position };
    if                                                                            /* W6 */
    :: IN(W5_W6_RELAXED) || IN(W6_RELAXED) -> store(HEAD, n)
    :: else -> release(HEAD, n)
    fi;
    position++;
    n++
  od
}

/* Is frame n with its bytes at `position` kept? Two loads. */
inline look_whether_kept(no_slot, no_bytes) {
  kept = (n + SLOTS > mem[INTENT] || IN(no_slot));
  kept = (kept && (position >= mem[RECLAIMED] || IN(no_bytes)))
}

proctype reader(byte me) {
  byte newest, n, position, bytes, attempts;
  bool kept;
again:
  mem[HEAD] > 0;
  atomic { n = mem[HEAD]; newest = n }; /* R1 */
  do /* the newest, or an older one */
  :: n > 1 && n + SLOTS - 1 > newest -> n--
  :: newest = 0; break
  od;
  if
  :: mem[NUMBER(n)] == n -> skip /* R2 */
  :: else ->
    look_whether_kept(0 - 1, 0 - 1);
    assert(!kept); /* a frame up to head is there, or was given up */
    goto over
  fi;
  position = mem[POSITION(n)];
  if
  :: !ONLY_LEASES -> /* C */
    bytes = mem[BYTES(position)];
    look_whether_kept(NO_C_SLOT, NO_C_BYTES);
    assert(!kept || bytes == n)
  :: mem[REVOKED(me)] != n -> /* a cell that does not say already that n is revoked */
    UNLESS(NO_R3, release(LEASE(me), n)); /* R3 */
    UNLESS(NO_R4, fence(LEASE(me)));      /* R4 */
    look_whether_kept(NO_R5_SLOT, NO_R5_BYTES); /* R5 */
    if
    :: kept ->
      bytes = mem[BYTES(position)]; /* R6 */
      if
      :: mem[REVOKED(me)] == n && !IN(NO_R7) -> skip /* R7 */
      :: else -> assert(bytes == n)
      fi
    :: else
    fi;
    release(LEASE(me), 0)
  fi;
over:
  skip;
  d_step { n = 0; position = 0; bytes = 0; kept = false; attempts++ };
  if :: attempts < ATTEMPTS -> goto again :: else fi
}

init {
  atomic {
    choose_mutant();
    run producer();
    run reader(0);
#if READERS > 1
    run reader(1)
#endif
  }
}

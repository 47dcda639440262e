/* SPDX-License-Identifier: Apache-2.0 */
/* The control plane through faults: producer_link.cpp, reader_link.cpp and the broker, message by message.
 *
 * Two producers claim one name (generations 1 and 2), READERS readers want it. The broker may end and come back, the
 * first producer may end, a reader may stop for ever, at any moment and in any order, as often as the world says.
 * Every handler is one step, as in a process with one thread; messages and hang-ups arrive at any later time. What
 * takes a time limit may take it at any moment. Once nothing more can happen, the judge looks at what came of it;
 * there is no way to go on for ever (spin.py asks pan for cycles as well), so "once" is "always".
 *
 * Reader ids are bits, so that a list of them is a number. Frames do not come in: no step here is one of the
 * publishing thread (attach.pml is where the two threads of a producer meet).
 */
#include "mutant.pml"
#define NAME_UNCHECKED 1   /* mutant: the broker takes a second claimant of the name */
#define ASKS_ONCE 2        /* mutant: a refused producer does not ask again */
#define NO_LIST 3          /* mutant: a producer announces itself without its readers */
#define NO_CLAIM_READER 4  /* mutant: the broker does not tell the producer who has claimed himself */
#define NO_GRACE 5         /* mutant[stops all]: the producer does not let go of who has not claimed himself */
#define CLAIM_NOT_HELD 6   /* mutant: a claim that comes before its producer is turned down at once */
#define CLAIM_UNCHECKED 7  /* mutant: any claim is taken, whatever generation and id */
#define NEWS_NOT_HEARD 8   /* mutant: a reader hears neither `detached` nor the end of its line */
#define NOT_DETACHED 9     /* equivalent: `detached` is not sent; the line says it as well */
#define LINE_NOT_HEARD 10  /* equivalent: a reader does not look at its line; the broker tells it */
#define WAIT_FORGOTTEN 11  /* mutant: who waits for a stream is not served when it comes */
#define PENDING_LOST 12    /* mutant: an attach whose producer ends before the answer is forgotten */
#define STAYS_ORPHANED 13  /* mutant: a reader that was let go does not attach anew */
#define LINE_KEPT 14       /* mutant[stops all]: neither REMOVE nor the line's end takes a reader out */
#define LOSER_KEEPS 15     /* mutant[stops all]: who has lost its name keeps the readers that it served */
/* world: stops -DREADERS=1 -DBROKER_ENDS=1 -DSTOPS=1 -DLATE=1 cycles */
/* world: twice -DREADERS=1 -DBROKER_ENDS=2 -DSTOPS=0 -DLATE=0 cycles */
/* long-world: readers -DREADERS=2 -DBROKER_ENDS=1 -DSTOPS=0 -DLATE=0 */
/* long-world: all -DREADERS=1 -DBROKER_ENDS=2 -DSTOPS=1 -DLATE=1 */

mtype = { ANNOUNCE, ANNOUNCED, REFUSED, ADD, ADDED, REMOVE, GONE, CLAIM_READER, ATTACH, ATTACHED, CLAIM, CLAIMED, DETACHED };

/* Sockets: kind, id (or ids), generation or request. */
chan from_producer[2] = [6] of { mtype, short, byte };
chan to_producer[2] = [6] of { mtype, short, byte };
chan from_reader[READERS] = [3] of { mtype, short, byte, byte };
chan to_reader[READERS] = [6] of { mtype, short, byte, byte };
bool producer_up[2], reader_up[READERS]; /* the socket is one to the broker that lives now */
bool producer_dead[2];
bool broker_alive = true;

/* The broker's; forgotten with it. */
byte owner;               /* generation that has the name; 0: nobody */
short unclaimed;
short b_id[READERS];      /* of the reader on this connection; 0: none */
bool b_attached[READERS];
byte b_request[READERS];  /* of the attach that waits for producer or stream */
bool b_waits[READERS];
short claim_id[READERS];
byte claim_generation[READERS], claim_request[READERS];

/* The producers'. */
short served[2], unconfirmed[2];
bool announced[2];

/* What both sides of an attachment share: bell pages and lines. */
short detached;           /* the bell page says so */
short lines;              /* open at the reader's end, or on the way there */
short ended_lines;        /* closed at the producer's end */

/* The readers'. */
short at[READERS];
byte at_generation[READERS];
bool stopped[READERS];

short next_id = 1;
byte broker_ends, stops, late; /* faults so far, and those that do not come in this run */
short said_claimed;            /* by the broker that lives now */

#define GENERATION(p) ((p) + 1)
#define OWNER (owner - 1)

inline tell_reader(r, kind, id, generation, request) {
  if :: reader_up[r] -> to_reader[r]!kind, id, generation, request :: else fi
}
inline tell_owner(kind, id) {
  if
  :: owner != 0 && !producer_dead[OWNER] -> to_producer[OWNER]!kind, id, 0
  :: else
  fi
}

/* ---- broker ------------------------------------------------------------------------------------------------ */

inline start_attach(r, request) {
  b_request[r] = request;
  if
  :: owner == 0 -> b_waits[r] = true
  :: else ->
    assert(next_id < 16384); /* else the world is too large for these numbers */
    b_id[r] = next_id;
    next_id = next_id * 2;
    b_attached[r] = false;
    tell_owner(ADD, b_id[r])
  fi
}

inline turn_down_claim(r, expired) {
  /* A place survives the broker, unless its producer has let go of it, or another has got the name, or time is up. */
  assert(expired || !(served[claim_generation[r] - 1] & claim_id[r]) || (owner != 0 && owner != claim_generation[r]));
  tell_reader(r, DETACHED, claim_id[r], 0, claim_request[r]);
  claim_id[r] = 0; claim_generation[r] = 0; claim_request[r] = 0
}

inline settle_claim(r) {
  if
  :: owner == 0 && !IN(CLAIM_NOT_HELD) -> skip /* held */
  :: owner == 0 && IN(CLAIM_NOT_HELD) -> turn_down_claim(r, false)
  :: owner != 0 && (IN(CLAIM_UNCHECKED) || (owner == claim_generation[r] && (unclaimed & claim_id[r]))) ->
    unclaimed = unclaimed & ~claim_id[r];
    b_id[r] = claim_id[r];
    b_attached[r] = true;
    said_claimed = said_claimed | claim_id[r];
    UNLESS(NO_CLAIM_READER, tell_owner(CLAIM_READER, claim_id[r]));
    tell_reader(r, CLAIMED, claim_id[r], 0, claim_request[r]);
    claim_id[r] = 0; claim_generation[r] = 0; claim_request[r] = 0
  :: else -> turn_down_claim(r, false)
  fi
}

inline forget_reader(r) {
  b_waits[r] = false; b_request[r] = 0;
  claim_id[r] = 0; claim_generation[r] = 0; claim_request[r] = 0;
  if :: b_id[r] != 0 -> tell_owner(REMOVE, b_id[r]) :: else fi;
  b_id[r] = 0; b_attached[r] = false
}

inline on_announce(p, ids) {
  if
  :: owner != 0 && !IN(NAME_UNCHECKED) -> to_producer[p]!REFUSED, 0, 0
  :: else ->
    assert(owner == 0); /* nobody is told of two owners */
    owner = GENERATION(p);
    unclaimed = ids;
    to_producer[p]!ANNOUNCED, 0, 0;
    r = 0;
    do /* stream_appeared */
    :: r == READERS -> break
    :: else ->
      if
      :: claim_id[r] != 0 -> settle_claim(r)
      :: claim_id[r] == 0 && b_waits[r] && !IN(WAIT_FORGOTTEN) -> b_waits[r] = false; start_attach(r, b_request[r])
      :: else
      fi;
      r++
    od;
    r = 0
  fi
}

inline on_added(p, id) {
  r = 0;
  do
  :: r == READERS -> lines = lines & ~id; break /* the consumer left meanwhile: descriptors are closed */
  :: r < READERS && b_id[r] == id && !b_attached[r] ->
    b_attached[r] = true;
    tell_reader(r, ATTACHED, id, GENERATION(p), b_request[r]);
    b_request[r] = 0;
    break
  :: else -> r++
  od;
  r = 0
}

inline on_gone(id) {
  unclaimed = unclaimed & ~id;
  r = 0;
  do
  :: r == READERS -> break
  :: r < READERS && b_id[r] == id ->
    if
    :: b_attached[r] -> UNLESS(NOT_DETACHED, tell_reader(r, DETACHED, id, 0, 0))
    :: else -> tell_reader(r, REFUSED, 0, 0, b_request[r])
    fi;
    b_id[r] = 0; b_attached[r] = false; b_request[r] = 0;
    break
  :: else -> r++
  od;
  r = 0
}

inline stream_gone() {
  owner = 0;
  unclaimed = 0;
  r = 0;
  do
  :: r == READERS -> break
  :: else ->
    if
    :: b_id[r] != 0 && b_attached[r] ->
      UNLESS(NOT_DETACHED, tell_reader(r, DETACHED, b_id[r], 0, 0));
      b_id[r] = 0; b_attached[r] = false
    :: b_id[r] != 0 && !b_attached[r] ->
      b_id[r] = 0;
      if :: IN(PENDING_LOST) -> skip :: else -> start_attach(r, b_request[r]) fi
    :: else
    fi;
    r++
  od;
  r = 0
}

inline broker_ends_now() {
  broker_ends++;
  broker_alive = false;
  r = 0;
  do /* what it had not read is lost, descriptors too */
  :: r == 2 -> break
  :: else ->
    do
    :: from_producer[r]?kind, id, x -> if :: kind == ADDED -> lines = lines & ~id :: else fi
    :: empty(from_producer[r]) -> break
    od;
    producer_up[r] = false;
    r++
  od;
  r = 0;
  do
  :: r == READERS -> break
  :: else ->
    do
    :: from_reader[r]?kind, id, x, y
    :: empty(from_reader[r]) -> break
    od;
    reader_up[r] = false;
    b_id[r] = 0; b_attached[r] = false; b_request[r] = 0; b_waits[r] = false;
    claim_id[r] = 0; claim_generation[r] = 0; claim_request[r] = 0;
    r++
  od;
  r = 0; kind = 0; id = 0; x = 0; y = 0;
  owner = 0; unclaimed = 0; said_claimed = 0
}

#define SERVE_PRODUCER(p) \
  :: atomic { broker_alive && from_producer[p]?[ANNOUNCE, _, _] -> from_producer[p]?_, id, x; on_announce(p, id); id = 0; x = 0 } \
  :: atomic { broker_alive && from_producer[p]?[ADDED, _, _] -> from_producer[p]?_, id, x; on_added(p, id); id = 0; x = 0 } \
  :: atomic { broker_alive && from_producer[p]?[GONE, _, _] -> from_producer[p]?_, id, x; on_gone(id); id = 0; x = 0 } \
  :: atomic { broker_alive && producer_dead[p] && producer_up[p] && empty(from_producer[p]) -> \
       producer_up[p] = false; if :: owner == GENERATION(p) -> stream_gone() :: else fi }

#define SERVE_READER(c) \
  :: atomic { broker_alive && from_reader[c]?[ATTACH, _, _, _] -> from_reader[c]?_, id, x, y; \
       forget_reader(c); start_attach(c, y); id = 0; x = 0; y = 0 } \
  :: atomic { broker_alive && from_reader[c]?[CLAIM, _, _, _] -> from_reader[c]?_, id, x, y; forget_reader(c); \
       claim_id[c] = id; claim_generation[c] = x; claim_request[c] = y; settle_claim(c); id = 0; x = 0; y = 0 } \
  :: atomic { claim_id[c] != 0 && owner == 0 && late < LATE -> late++; turn_down_claim(c, true) } \
  :: atomic { b_id[c] != 0 && !b_attached[c] && late < LATE -> late++; tell_owner(REMOVE, b_id[c]); \
       tell_reader(c, REFUSED, 0, 0, b_request[c]); b_id[c] = 0; b_request[c] = 0 }

proctype broker() {
  short id;
  byte r, x, y;
  mtype kind;
end:
  do
  SERVE_PRODUCER(0)
  SERVE_PRODUCER(1)
  SERVE_READER(0)
#if READERS > 1
  SERVE_READER(1)
#endif
  :: atomic { broker_alive && broker_ends < BROKER_ENDS -> broker_ends_now() }
  :: atomic { !broker_alive -> broker_alive = true }
  od
}

/* ---- producer ---------------------------------------------------------------------------------------------- */

inline announce() {
  unconfirmed[me] = served[me];
  grace = false;
  if :: IN(NO_LIST) -> from_producer[me]!ANNOUNCE, 0, 0 :: else -> from_producer[me]!ANNOUNCE, served[me], 0 fi
}

inline drop_readers(ids, tell) { /* one or several; none of them is told twice */
  served[me] = served[me] & ~(ids);
  unconfirmed[me] = unconfirmed[me] & ~(ids);
  detached = detached | (ids);
  ended_lines = ended_lines | (ids);
  one = 1;
  do
  :: one == next_id -> break
  :: else ->
    if
    :: ((ids) & one) && tell && announced[me] && producer_up[me] -> from_producer[me]!GONE, one, 0
    :: else
    fi;
    one = one * 2
  od;
  one = 0
}

proctype producer(byte me; bool dies) {
  short id, one, ids;
  byte x;
  bool linked, refused, grace;
end:
  do
  :: atomic { !linked && broker_alive -> linked = true; producer_up[me] = true; announce() }
  :: atomic { linked && to_producer[me]?[ANNOUNCED, _, _] -> to_producer[me]?_, _, _;
       announced[me] = producer_up[me]; grace = (unconfirmed[me] != 0) }
  :: atomic { linked && to_producer[me]?[REFUSED, _, _] -> to_producer[me]?_, _, _; refused = true }
  :: atomic { refused && producer_up[me] && owner == 0 && !IN(ASKS_ONCE) -> refused = false; announce() } /* after a while */
  :: atomic { refused && producer_up[me] && owner != 0 && served[me] != 0 && !IN(LOSER_KEEPS) -> /* for 5 s */
       ids = served[me]; drop_readers(ids, false); ids = 0 }
  :: atomic { linked && to_producer[me]?[ADD, _, _] -> to_producer[me]?_, id, x;
       served[me] = served[me] | id;
       if
       :: producer_up[me] -> lines = lines | id; from_producer[me]!ADDED, id, 0
       :: else /* the answer is lost: its end of the line is closed */
       fi;
       id = 0 }
  :: atomic { linked && to_producer[me]?[REMOVE, _, _] -> to_producer[me]?_, id, x;
       if :: (served[me] & id) && !IN(LINE_KEPT) -> drop_readers(id, false) :: else fi; id = 0 }
  :: atomic { linked && to_producer[me]?[CLAIM_READER, _, _] -> to_producer[me]?_, id, x;
       unconfirmed[me] = unconfirmed[me] & ~id;
       if :: unconfirmed[me] == 0 -> grace = false :: else fi;
       id = 0 }
  :: atomic { (served[me] & ~lines) && !IN(LINE_KEPT) -> ids = served[me] & ~lines; drop_readers(ids, true); ids = 0 }
  :: atomic { grace && !IN(NO_GRACE) -> grace = false; /* 5 s after `announced` */
       /* Who was told that it is claimed stays, unless the news of it is still on its way. */
       assert((unconfirmed[me] & said_claimed) == 0 || to_producer[me]??[CLAIM_READER, _, _]);
       ids = unconfirmed[me]; drop_readers(ids, true); ids = 0 }
  :: atomic { linked && !producer_up[me] && empty(to_producer[me]) ->
       linked = false; announced[me] = false; refused = false; grace = false }
  :: atomic { dies -> goto ended }
  od;
ended:
  atomic {
    producer_dead[me] = true;
    announced[me] = false;
    ended_lines = ended_lines | served[me];
    served[me] = 0; unconfirmed[me] = 0;
    do
    :: to_producer[me]?_, _, _
    :: empty(to_producer[me]) -> break
    od
  }
}

/* ---- reader ------------------------------------------------------------------------------------------------ */

#define SERVER_OF(r) (at_generation[r] - 1)

proctype reader(byte me) {
  short id;
  byte generation, request, asked, last_request;
  bool linked, orphaned;
end:
  do
  :: stopped[me] -> break
  :: atomic { !stopped[me] && !linked && broker_alive -> linked = true; reader_up[me] = true; asked = 0;
       if
       :: at[me] != 0 && !orphaned -> last_request++; asked = last_request;
         from_reader[me]!CLAIM, at[me], at_generation[me], asked
       :: else
       fi }
  :: atomic { !stopped[me] && linked && reader_up[me] && at[me] == 0 && asked == 0 -> last_request++; asked = last_request;
       from_reader[me]!ATTACH, 0, 0, asked }
  :: atomic { !stopped[me] && linked && to_reader[me]?[ATTACHED, _, _, _] -> to_reader[me]?_, id, generation, request;
       if
       :: request == asked && at[me] == 0 -> asked = 0; at[me] = id; at_generation[me] = generation; orphaned = false
       :: else -> lines = lines & ~id /* an answer to nothing: its descriptors are closed */
       fi;
       id = 0; generation = 0; request = 0 }
  :: atomic { !stopped[me] && linked && to_reader[me]?[CLAIMED, _, _, _] -> to_reader[me]?_, id, generation, request;
       if :: request == asked -> asked = 0 :: else fi;
       id = 0; generation = 0; request = 0 }
  :: atomic { !stopped[me] && linked && to_reader[me]?[DETACHED, _, _, _] -> to_reader[me]?_, id, generation, request;
       if :: request == asked -> asked = 0 :: else fi;
       if
       :: at[me] == id && id != 0 && !IN(NEWS_NOT_HEARD) ->
         orphaned = true
       :: else
       fi;
       id = 0; generation = 0; request = 0 }
  :: atomic { !stopped[me] && linked && to_reader[me]?[REFUSED, _, _, _] -> to_reader[me]?_, id, generation, request;
       if :: request == asked -> asked = 0; orphaned = (at[me] != 0) :: else fi;
       id = 0; generation = 0; request = 0 }
  :: atomic { !stopped[me] && at[me] != 0 && !orphaned && !IN(LINE_NOT_HEARD) && !IN(NEWS_NOT_HEARD) &&
       ((ended_lines | detached) & at[me]) -> orphaned = true }
  :: atomic { !stopped[me] && orphaned && !IN(STAYS_ORPHANED) -> /* release(), then it attaches anew */
       lines = lines & ~at[me]; at[me] = 0; at_generation[me] = 0; asked = 0; orphaned = false }
  :: atomic { !stopped[me] && linked && !reader_up[me] && empty(to_reader[me]) -> linked = false; asked = 0 }
  :: atomic { !stopped[me] && stops < STOPS -> stops++; stopped[me] = true }
  od
}

/* ---- what came of it ----------------------------------------------------------------------------------------- */

active proctype judge() {
  short ids;
  byte r;
  timeout;
  atomic {
    assert(broker_alive && owner != 0);
    assert(!producer_dead[OWNER] && announced[OWNER]);
    do
    :: r == READERS -> break
    :: else ->
      if
      :: stopped[r] -> skip
      :: else -> /* with the producer that has the name now, and both know it */
        assert(at[r] != 0 && at_generation[r] == owner && at[r] == b_id[r] && !(detached & at[r]))
      fi;
      ids = ids | b_id[r];
      r++
    od;
    assert(served[OWNER] == ids); /* who was claimed is served, who was not holds no lease any more */
    assert(producer_dead[1 - OWNER] || served[1 - OWNER] == 0) /* nor with who has lost the name */
  }
}

init {
  atomic {
    choose_mutant();
    do /* how many of the faults come; those that may come do come, at some moment */
    :: broker_ends < BROKER_ENDS -> broker_ends++
    :: stops < STOPS -> stops++
    :: late < LATE -> late++
    :: break
    od;
    run broker();
    if
    :: run producer(0, true)
    :: run producer(0, false)
    fi;
    run producer(1, false);
    run reader(0);
#if READERS > 1
    run reader(1)
#endif
  }
}

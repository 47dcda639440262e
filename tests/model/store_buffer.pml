/* SPDX-License-Identifier: Apache-2.0 */
/* A store buffer for each process, for lease.pml, attach.pml and wake.pml.
 *
 * Every shared word has one writer, so a buffer is a place for each word: what was stored there waits until it
 * "reaches memory", at any time and in any order, but for what a release or a fence says. Others load from memory;
 * nobody loads a word of its own, it keeps a copy. That is PSO: weaker than x86, and all that arm64 and riscv64
 * do with stores. A load is never early here: that half is the explorer's (README.md).
 *
 * A model defines OWNED_WITH(w): the bits of all words that w's writer stores.
 */
#define WORDS 15
#define BIT(w) (1 << (w))

byte mem[WORDS];     /* what everybody sees */
byte waiting[WORDS]; /* what was stored, while its bit is in `pending` */
short pending;
short after[WORDS];  /* the words that have to reach memory before this one */
short barrier;       /* of the one process that uses fence_release */

/* memory_order_relaxed. A word that still waits reaches memory first. */
inline store(w, v) {
  atomic {
    !(pending & BIT(w));
    after[w] = barrier & pending & OWNED_WITH(w);
    waiting[w] = v;
    pending = pending | BIT(w)
  }
}

/* memory_order_release: everything stored before goes first. */
inline release(w, v) {
  atomic {
    !(pending & BIT(w));
    after[w] = pending & OWNED_WITH(w);
    waiting[w] = v;
    pending = pending | BIT(w)
  }
}

/* fence seq_cst: all that `w`'s writer has stored is in memory. */
#define fence(w) !(pending & OWNED_WITH(w))

inline fence_release(w) { barrier = pending & OWNED_WITH(w) }

inline reach_memory(w) {
  d_step {
    mem[w] = waiting[w];
    waiting[w] = 0;
    pending = pending & ~BIT(w);
    barrier = barrier & ~BIT(w);
    each = 0;
    do
    :: each == WORDS -> break
    :: else -> after[each] = after[each] & ~BIT(w); each++
    od;
    each = 0
  }
}

#define RIPE(w) ((pending & BIT(w)) && !(after[w] & pending))
#define MAY(w) :: atomic { RIPE(w) -> reach_memory(w) }

active proctype memory() {
  byte each;
end: /* nothing waits: as good an end as any */
  do
  MAY(0) MAY(1) MAY(2) MAY(3) MAY(4) MAY(5) MAY(6) MAY(7)
  MAY(8) MAY(9) MAY(10) MAY(11) MAY(12) MAY(13) MAY(14)
  od
}

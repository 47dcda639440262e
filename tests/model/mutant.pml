/* SPDX-License-Identifier: Apache-2.0 */
/* One program explores a model and all of its mutants: `pan` takes the mutant's number from $MUTANT (0: none), so
 * that gcc runs once for each model. The steps keep their letters; spin.py finds the mutants by the word. Every
 * model's init begins with choose_mutant().
 */
c_decl {
  \#include <stdlib.h>
}
byte mutant;
inline choose_mutant() {
  c_code { now.mutant = getenv("MUTANT") ? atoi(getenv("MUTANT")) : 0; }
}
#define IN(number) (mutant == number)

/* `step`, but not in that mutant. */
#define UNLESS(number, step) \
  if \
  :: IN(number) -> skip \
  :: else -> step \
  fi

// SPDX-License-Identifier: Apache-2.0
//
// What Debian's libgcc_eh asks glibc for when an exception is thrown: which loaded object an address
// lies in, and where that object's PT_GNU_EH_FRAME is. musl has only dl_iterate_phdr to tell. Linked into
// the producer that runs beside a vendor's library (cross-musl.sh), found by tests that throw.
#define _GNU_SOURCE
#include <link.h>
#include <stddef.h>
#include <stdint.h>

// glibc's <dlfcn.h>, where bits/dl_find_object.h has neither eh_dbase nor eh_count: riscv64, arm64.
struct dl_find_object {
  unsigned long long flags;
  void *map_start, *map_end;
  struct link_map *link_map;
  void *eh_frame;
  unsigned long long reserved[7];
};

struct search {
  uintptr_t address;
  struct dl_find_object *result;
};

static int look(struct dl_phdr_info *object, size_t size, void *data) {
  (void)size;
  const struct search *wanted = data;
  const ElfW(Phdr) *around = NULL, *eh_frame = NULL;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr) *part = &object->dlpi_phdr[i];
    const uintptr_t offset = wanted->address - object->dlpi_addr - part->p_vaddr;
    if (part->p_type == PT_LOAD && offset < part->p_memsz) around = part;
    if (part->p_type == PT_GNU_EH_FRAME) eh_frame = part;
  }
  if (around == NULL || eh_frame == NULL) return 0;
  char *const start = (char *)(object->dlpi_addr + around->p_vaddr);
  *wanted->result = (struct dl_find_object){
      .map_start = start,
      .map_end = start + around->p_memsz,
      .eh_frame = (void *)(object->dlpi_addr + eh_frame->p_vaddr)};
  return 1;
}

// 0, or -1: no loaded object with tables for the unwinder is there.
int _dl_find_object(void *address, struct dl_find_object *result);
int _dl_find_object(void *address, struct dl_find_object *result) {
  struct search wanted = {(uintptr_t)address, result};
  return dl_iterate_phdr(look, &wanted) ? 0 : -1;
}

// SPDX-License-Identifier: Apache-2.0
#include "points.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <mutex>
#include <new>

namespace framering::torture {
namespace {

enum class Action : std::uint32_t { none, stop, kill, nap, fail };

struct Point {
  std::atomic<std::uint64_t> key;  // hash of the name, stored last; 0 = free
  std::atomic<std::uint64_t> passes;
  char name[112];
};
static_assert(sizeof(Point) == 128);

// The controller writes the order, its number last; the process answers in `fired`.
struct Table {
  std::atomic<std::uint64_t> order;  // its number; 0 = none
  std::uint64_t target;              // key of the point
  std::atomic<std::int64_t> countdown;
  Action action;
  std::uint32_t argument;  // fail: errno; nap: microseconds
  std::uint32_t repeats;   // fail: so many passes on end
  std::uint32_t reserved;
  std::atomic<std::uint64_t> fired;  // the order that has struck
  std::atomic<std::uint32_t> used;
  std::byte reserved_tail[76];
};
static_assert(sizeof(Table) == 128 && offsetof(Table, countdown) == 16);
static_assert(offsetof(Table, fired) == 40 && offsetof(Table, used) == 48);

constexpr std::size_t kMaxPoints = 1023;
constexpr std::size_t kFileBytes = sizeof(Table) + kMaxPoints * sizeof(Point);

// Which point a place in the code is, so that its name is made once only.
struct Known {
  std::atomic<std::uint64_t> place;  // 0 = free
  std::atomic<Point*> point;
};
Known known[4096];
std::mutex naming;
Table* table = nullptr;
thread_local bool busy = false;  // what is called from here is no fault point

__attribute__((constructor)) void map_table() {
  const char* const path = std::getenv("FRAMERING_TORTURE_POINTS");
  if (path == nullptr) return;
  const int fd = ::open(path, O_RDWR | O_CLOEXEC);
  void* const memory =
      fd < 0 ? MAP_FAILED : ::mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    std::perror(path);
    std::abort();
  }
  ::close(fd);
  table = static_cast<Table*>(memory);
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t more) noexcept {
  hash = (hash ^ more) * 0x9E37'79B9'7F4A'7C15;
  return hash ^ hash >> 31;
}

std::uint64_t hash_of(const char* name) noexcept {
  std::uint64_t hash = 1;
  for (; *name != '\0'; ++name) hash = mix(hash, static_cast<unsigned char>(*name));
  return hash;
}

Point* points() noexcept {
  return reinterpret_cast<Point*>(table + 1);
}

// The point with that name, a new one if need be; null when the table is full.
Point* enter(const char* name) noexcept {
  const std::uint64_t key = hash_of(name);
  const std::uint32_t used = table->used.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < used; ++i) {
    if (points()[i].key.load(std::memory_order_relaxed) == key) return &points()[i];
  }
  if (used == kMaxPoints) return nullptr;
  Point& fresh = points()[used];
  std::snprintf(fresh.name, sizeof fresh.name, "%s", name);
  fresh.key.store(key, std::memory_order_release);
  table->used.store(used + 1, std::memory_order_release);
  return &fresh;
}

template <typename Describe>
Point* find(std::uint64_t place, const Describe& describe) noexcept {
  for (std::size_t at = place % std::size(known);; at = (at + 1) % std::size(known)) {
    std::uint64_t here = known[at].place.load(std::memory_order_acquire);
    if (here == place) return known[at].point.load(std::memory_order_relaxed);
    if (here != 0) continue;
    const std::lock_guard lock(naming);
    if (known[at].place.load(std::memory_order_relaxed) != 0) continue;  // taken meanwhile
    char name[sizeof Point::name];
    describe(name, sizeof name);
    Point* const point = enter(name);
    known[at].point.store(point, std::memory_order_relaxed);
    known[at].place.store(place, std::memory_order_release);
    return point;
  }
}

// One thread strikes, however many pass at once: the countdown tells them apart.
int strike(Point& point) noexcept {
  const std::uint64_t order = table->order.load(std::memory_order_acquire);
  if (order == 0 || table->target != point.key.load(std::memory_order_relaxed)) return 0;
  const std::int64_t left = table->countdown.fetch_sub(1, std::memory_order_relaxed);
  const bool first = left == 0;
  if (table->action == Action::fail) {
    if (left > 0 || left <= -static_cast<std::int64_t>(table->repeats)) return 0;
    if (first) table->fired.store(order, std::memory_order_release);
    return static_cast<int>(table->argument);
  }
  if (!first) return 0;
  table->fired.store(order, std::memory_order_release);
  if (table->action == Action::nap) {
    const timespec pause{0, static_cast<long>(table->argument) * 1000};
    ::nanosleep(&pause, nullptr);
  } else {
    // To this thread: the signal takes effect before the call returns, so exactly here.
    const int number = table->action == Action::kill ? SIGKILL : SIGSTOP;
    ::syscall(SYS_tgkill, ::getpid(), ::gettid(), number);
  }
  return 0;
}

template <typename Describe>
int pass(std::uint64_t place, const Describe& describe) noexcept {
  if (table == nullptr || busy) return 0;
  busy = true;
  const int saved = errno;
  int error = 0;
  if (Point* const point = find(place, describe)) {
    point->passes.fetch_add(1, std::memory_order_relaxed);
    error = strike(*point);
  }
  errno = saved;
  busy = false;
  return error;
}

const char* base_name(const char* path) noexcept {
  const char* const slash = std::strrchr(path, '/');
  return slash == nullptr ? path : slash + 1;
}

// "std::pair<int> framering::RingWriter::claim(unsigned long)" is known as "RingWriter::claim".
void shorten(char* name) noexcept {
  static constexpr char kNameless[] = "(anonymous namespace)::";
  while (char* const at = std::strstr(name, kNameless)) {
    std::memmove(at, at + sizeof kNameless - 1, std::strlen(at) - sizeof kNameless + 2);
  }
  char* end = std::strchr(name, '(');
  if (end != nullptr) *end = '\0';
  const char* begin = name;
  for (const char* at = name; *at != '\0'; ++at) {
    if (*at == ' ') begin = at + 1;
  }
  for (const char* const scope : {"framering::", "cli::"}) {
    if (std::strncmp(begin, scope, std::strlen(scope)) == 0) begin += std::strlen(scope);
  }
  std::memmove(name, begin, std::strlen(begin) + 1);
}

// The function that an address lies in, or the nearest known one before it, and how far behind.
void describe_caller(const void* caller, char* text, std::size_t size) noexcept {
  Dl_info info{};
  if (::dladdr(caller, &info) == 0) {
    std::snprintf(text, size, "?");
    return;
  }
  const bool named = info.dli_sname != nullptr;
  const auto* const from = static_cast<const char*>(named ? info.dli_saddr : info.dli_fbase);
  const auto distance = static_cast<unsigned long>(static_cast<const char*>(caller) - from);
  if (!named) {
    std::snprintf(text, size, "%s+%lx", base_name(info.dli_fname), distance);
    return;
  }
  char* const plain = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, nullptr);
  if (plain != nullptr) shorten(plain);
  std::snprintf(text, size, "%s+%lx", plain != nullptr ? plain : info.dli_sname, distance);
  std::free(plain);
}

using Main = int (*)(int, char**, char**);
Main program_main = nullptr;
bool main_has_begun = false;

int begin_main(int count, char** arguments, char** environment) {
  main_has_begun = true;
  return program_main(count, arguments, environment);
}

}  // namespace

void pass_step(const char* operation, const Place& where) noexcept {
  const auto number = [](const char* text) { return reinterpret_cast<std::uintptr_t>(text); };
  const std::uint64_t place =
      mix(mix(number(where.file), static_cast<std::uint64_t>(where.line)), number(operation));
  (void)pass(place, [&](char* name, std::size_t size) {
    std::snprintf(name, size, "%.40s:%d %.40s %.20s", base_name(where.file), where.line,
                  where.function, operation);
  });
}

}  // namespace framering::torture

int torture_pass_call(const char* call, const char* detail, const void* caller) {
  using namespace framering::torture;
  const auto number = [](const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); };
  const std::uint64_t place = mix(mix(number(call), number(detail)), number(caller));
  return pass(place, [&](char* name, std::size_t size) {
    if (detail != nullptr) {  // a message has its place in the protocol, wherever it is sent from
      std::snprintf(name, size, "%s %s", call, detail);
      return;
    }
    char where[80];
    describe_caller(caller, where, sizeof where);
    std::snprintf(name, size, "%s in %s", call, where);
  });
}

// What a program's start calls with its main: initializes its globals, then calls main.
// NOLINTNEXTLINE(readability-identifier-naming): libc's name
extern "C" int __libc_start_main(framering::torture::Main program, int count, char** arguments,
                                 void (*init)(), void (*fini)(), void (*rtld_fini)(),
                                 void* stack_end) {
  using namespace framering::torture;
  void* const next = ::dlsym(RTLD_NEXT, "__libc_start_main");
  program_main = program;
  return reinterpret_cast<decltype(&__libc_start_main)>(next)(begin_main, count, arguments, init,
                                                              fini, rtld_fini, stack_end);
}

// Every allocation of C++ as well, from main on: before it, nobody could catch what is thrown.
void* operator new(std::size_t size) {
  if (!framering::torture::main_has_begun ||
      torture_pass_call("new", nullptr, __builtin_return_address(0)) == 0) {
    if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  }
  throw std::bad_alloc();
}

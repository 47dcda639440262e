/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BROKER, PRODUCER, LIBRARY, CONTROL };
static char** programs;
static char folder[64] = "/tmp/framering-libkvm-XXXXXX";
static char control_socket[96];
static pid_t test_pid, broker, producer;

static int remove_one(const char* path, const struct stat* about, int kind, struct FTW* at) {
  (void)about, (void)kind, (void)at;
  return remove(path);
}

static void kill_and_wait(pid_t* child) {
  if (*child <= 0) return;
  kill(*child, SIGKILL);
  waitpid(*child, NULL, 0);
  *child = 0;
}

static void clean_up(void) {
  if (getpid() != test_pid) return;
  kill_and_wait(&producer);
  kill_and_wait(&broker);
  nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void set_stage(char** given) {
  programs = given;
  test_pid = getpid();
  CHECK(mkdtemp(folder) != NULL);
  CHECK(atexit(clean_up) == 0);
  CHECK(setenv("FRAMERING_DIR", folder, 1) == 0);
  snprintf(control_socket, sizeof control_socket, "%s/faults", folder);
  CHECK(setenv("KVM_STANDIN_CONTROL", control_socket, 1) == 0);
  unsetenv("FRAMERING_STREAM");
  unsetenv("KVM_STANDIN_DISPLAY");
}

static pid_t start(char* const* arguments) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* the test may be killed */
    execv(arguments[0], arguments);
    perror(arguments[0]);
    _exit(127);
  }
  return child;
}

void start_broker(void) {
  char* const arguments[] = {programs[BROKER], NULL};
  broker = start(arguments);
}

void start_producer(void) {
  char* const arguments[] = {programs[PRODUCER], "--source", "kvm", "--stream", "hdmi", "--library",
                             programs[LIBRARY],  "--width",  "320", "--height", "256",  NULL};
  producer = start(arguments);
}

void kill_broker(void) {
  kill_and_wait(&broker);
}
void kill_producer(void) {
  kill_and_wait(&producer);
}

void pause_producer(void) {
  CHECK(kill(producer, SIGSTOP) == 0);
}
void resume_producer(void) {
  CHECK(kill(producer, SIGCONT) == 0);
}

void inject(const char* command) {
  char* const arguments[] = {programs[CONTROL], control_socket, (char*)command, NULL};
  const pid_t child = start(arguments);
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int mappings_of(const char* name) {
  char line[512];
  int found = 0;
  FILE* maps = fopen("/proc/self/maps", "re");
  CHECK(maps != NULL);
  while (fgets(line, sizeof line, maps) != NULL) found += strstr(line, name) != NULL;
  fclose(maps);
  return found;
}

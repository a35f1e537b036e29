/*
 * schedule.h - threads that take turns as a seed says, on a clock that only they move.
 *
 * The simulation is linked so that the store's calls of pthread_*, of the clocks and of sleeping come here (--wrap in
 * CMakeLists.txt). A thread is then a stack of its own in the one thread of the process. Turns change where threads meet:
 * at locks, signals and waits, thereby at every file operation; whether they do and who is next is drawn from the seed, and now and
 * then one gets no turn for a while. When
 * all wait, the clock jumps to the first who waits for a time. When nobody does, that is a deadlock: it is printed and ends the
 * program.
 *
 *     the same seed -> the same turns -> the same order of file operations -> the same run
 */
#ifndef SIM_SCHEDULE_H
#define SIM_SCHEDULE_H

#include <stdint.h>

/* From now on. one_in: the chance of a turn's end at a place where it may end; 0: only when a thread has to wait. */
void schedule_seed(uint64_t seed, unsigned one_in);
unsigned schedule_one_in(unsigned one_in); /* gives the old one */
/* The caller sleeps; all others go on, and the clock with them. */
void schedule_sleep(uint64_t ns);
/* Of the world outside. */
uint64_t schedule_real_ns(void);

#endif

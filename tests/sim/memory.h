/*
 * Memory of two kinds. The world's own (sim_obtain) is there without limit: a
 * simulation that runs out of memory ends. What the library asks for (malloc and
 * its family, wrapped by the linker) is counted, and can be made scarce, but only
 * while a process is running.
 */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *sim_obtain(size_t size); /* not zeroed; never NULL */
void *sim_obtain_more(void *memory, size_t size);
void sim_release(void *memory); /* accepts NULL */
void sim_must(bool held);       /* ends the program if it did not */

/* What the library holds now, of what it has asked for. */
size_t sim_memory_bytes(void);

/* From now on `of_thousand` of the library's requests are refused; 0: none. */
void sim_memory_scarce(int of_thousand);
void sim_memory_seed(uint64_t seed);
uint64_t sim_memory_refused(void); /* so far */

#endif

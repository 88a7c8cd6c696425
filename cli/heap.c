/*
 * A message is in a queue for as long as a turn lasts. By default glibc gives what lies
 * at the end of the heap back to the system from 128 KiB on, and has it again in the
 * next turn, page by page: that costs ten times what an echo of 16 KiB costs otherwise.
 */
#include "heap.h"

#include <malloc.h>

enum { MMAP_BYTES = 32 * 1024 * 1024 }; /* the most that mallopt(3) takes */

void heap_keep(int bytes)
{
    mallopt(M_TRIM_THRESHOLD, bytes);
    mallopt(M_MMAP_THRESHOLD, bytes < MMAP_BYTES ? bytes : MMAP_BYTES);
}

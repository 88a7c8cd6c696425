/* How the process's memory is managed by the C library. */
#ifndef VITAL_CLI_HEAP_H
#define VITAL_CLI_HEAP_H

/* Keeps up to so many bytes that were given back, for whoever wants some next. */
void heap_keep(int bytes);

#endif

/*
 * An io_uring as the loop wants one: its memory, what it may do, its buffers for
 * received bytes, and the two calls that enter the kernel. What is asked of it is
 * loop_uring.c's.
 */
#ifndef VT_LOOP_URING_H
#define VT_LOOP_URING_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VT_URING_BUFFERS = 0,        /* the group for IOSQE_BUFFER_SELECT */
    VT_URING_BUFFERS_MOST = 256, /* however they are cut */
};

/* What a completion is of: the lowest bits of its number, beside an address; or a
 * number that is no address. */
enum vt_uring_kind {
    VT_URING_NOBODYS,
    VT_URING_RECEIVE,
    VT_URING_POLL,
    VT_URING_SEND,
    VT_URING_ACCEPT,
    VT_URING_KIND_MASK = 7,
    VT_URING_WAKE = 8,
    VT_URING_NAMES = 16,
    VT_URING_NETWORK = 24,
};

typedef struct vt_uring_completion {
    uint64_t number;
    int32_t result; /* or a negative errno */
    uint32_t flags; /* IORING_CQE_F_... */
} vt_uring_completion;

typedef struct vt_uring {
    struct io_uring uring;
    bool enabled; /* and from then on its thread's */
    int event_fd; /* -1: nobody waits in our place */
    bool shared;  /* a buffer is filled by one receive after another */
    uint8_t *memory;
    uint32_t buffer_count;
    uint32_t buffer_bytes;
    struct io_uring_buf_ring *buffers;
    uint32_t filled[VT_URING_BUFFERS_MOST]; /* of each, if shared */
} vt_uring;

/* 0, or -1 with errno: EPERM where it is forbidden, ENOSYS where the kernel is too
 * old (before 6.1). The first thread that submits is the only one that ever may. */
int vt_uring_open(vt_uring *ring);
void vt_uring_close(vt_uring *ring);

/* One more operation, for the next call. False: there is no space, since the kernel has
 * taken none of those before. */
bool vt_uring_put(vt_uring *ring, const struct io_uring_sqe *what);

/* Hands all that is prepared to the kernel. False with errno: it has not taken all;
 * what is left is vt_uring_left(). */
bool vt_uring_submit(vt_uring *ring);
unsigned vt_uring_left_count(const vt_uring *ring);
struct io_uring_sqe *vt_uring_left(const vt_uring *ring, unsigned index);

/* As that, and waits until something has completed: for so long, or, with INT64_MAX,
 * for ever. 0, or -1 with errno. */
int vt_uring_wait(vt_uring *ring, int64_t wait_us);

/* For whoever waits in our place: readable when there may be something to take, or, by
 * vt_uring_pending(), before the next vt_uring_wait(). */
int vt_uring_fd(vt_uring *ring);
/* What made that readable has been seen to. */
void vt_uring_calm(vt_uring *ring);
/* Something happened that becomes a completion when the kernel is entered. */
bool vt_uring_pending(const vt_uring *ring);

/* Completions that nobody has taken. */
unsigned vt_uring_ready_count(const vt_uring *ring);
vt_uring_completion vt_uring_ready(const vt_uring *ring, unsigned index);
/* Seen already: it is nobody's when it is taken. */
void vt_uring_disown(vt_uring *ring, unsigned index);
/* The next one, taken; false if there is none. */
bool vt_uring_take(vt_uring *ring, vt_uring_completion *out);

/* Where the bytes of a receive are, until they are given back. Each completion with
 * IORING_CQE_F_BUFFER is asked for once, in the order in which they came. */
uint8_t *vt_uring_lend(vt_uring *ring, const vt_uring_completion *completion);
void vt_uring_give_back(vt_uring *ring, const vt_uring_completion *completion);

static inline uint64_t vt_uring_number(const void *owner, enum vt_uring_kind kind)
{
    return (uint64_t)(uintptr_t)owner | (uint64_t)kind;
}

static inline enum vt_uring_kind vt_uring_kind_of(uint64_t number)
{
    return number <= VT_URING_NETWORK ? (enum vt_uring_kind)number
                                      : (enum vt_uring_kind)(number & VT_URING_KIND_MASK);
}

static inline void *vt_uring_owner(uint64_t number)
{
    return (void *)(uintptr_t)(number & ~(uint64_t)VT_URING_KIND_MASK);
}

/* An operation that completes more than once, or late. */
typedef struct vt_uring_lasting {
    bool going; /* the kernel has it, or will have it with the next call */
    bool cancelled;
} vt_uring_lasting;

/* Lets the operation begin, or be cancelled, as it is wanted. False: not now. */
bool vt_uring_put_right(vt_uring *ring, vt_uring_lasting *operation, bool wanted,
                        const struct io_uring_sqe *what);
void vt_uring_note(vt_uring_lasting *operation, const vt_uring_completion *completion);

struct io_uring_sqe vt_uring_poll_of(int fd, unsigned events, uint64_t number);

#endif

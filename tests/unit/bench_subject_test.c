/* What the kernel says of a process, read of ourselves. */
#include "bench_subject.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MORE_BYTES = 32 * 1024 * 1024, WORK_US = 20000 };

static bench_subject read_own(void)
{
    bench_subject own;
    assert_true(bench_subject_read(&own, getpid()));
    return own;
}

static void memory_that_is_used_is_resident(void **unused)
{
    (void)unused;
    bench_subject before = read_own();
    char *memory = malloc(MORE_BYTES);
    assert_non_null(memory);
    memset(memory, 1, MORE_BYTES);
    int64_t grown = read_own().resident_bytes - before.resident_bytes;
    free(memory);
    assert_in_range(before.resident_bytes, 64 * 1024, INT64_MAX / 2);
    assert_in_range(grown, MORE_BYTES / 2, INT64_MAX / 2);
}

static void cpu_time_grows_by_work(void **unused)
{
    (void)unused;
    int64_t before_us = read_own().cpu_us;
    while (read_own().cpu_us < before_us + WORK_US)
        ;
    assert_in_range(read_own().cpu_us, before_us + WORK_US, INT64_MAX / 2);
}

static void a_process_that_is_gone_is_not_there(void **unused)
{
    bench_subject subject;
    (void)unused;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    errno = 0;
    assert_false(bench_subject_read(&subject, pid));
    assert_int_not_equal(errno, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_is_used_is_resident),
        cmocka_unit_test(cpu_time_grows_by_work),
        cmocka_unit_test(a_process_that_is_gone_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

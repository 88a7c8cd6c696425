/*
 * A loop gets the backend that was asked for, and says which.
 */
#include "backend.h"

#include "live.h"

static void a_loop_waits_with_epoll_unless_asked(void **state)
{
    vital_loop_options options[] = {{VITAL_BACKEND_AUTO}, {VITAL_BACKEND_EPOLL}};
    vital_loop *loop;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        int error = i == 2 ? vital_loop_create(&loop) : vital_loop_create_with(&loop, &options[i]);
        assert_int_equal(error, 0);
        assert_string_equal(vital_loop_backend(loop), "epoll");
        vital_loop_destroy(loop);
    }
}

static void a_backend_that_there_is_not_is_an_error(void **state)
{
    vital_loop_options none = {.backend = (vital_backend)99};
    vital_loop *loop = (vital_loop *)&none;
    (void)state;
    assert_int_equal(vital_loop_create_with(&loop, &none), VITAL_EINVAL);
    assert_null(loop);
    assert_int_equal(vital_loop_create_with(NULL, NULL), VITAL_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_waits_with_epoll_unless_asked),
        cmocka_unit_test(a_backend_that_there_is_not_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Offers and answers of permessage-deflate. Headers are written as text, and
 * what comes out is compared as text; at the end every offer that our client can
 * make meets every server that we can be, and both must have understood the same.
 */
#include "extension.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Completed, as vital_policy_init() gives them. */
static const vital_compression FULL = {
    .enabled = true,
    .keep_context = true,
    .peer_keeps_context = true,
    .window_bits = 15,
    .peer_window_bits = 15,
};
static const vital_compression LEAN = {.enabled = true, .window_bits = 15, .peer_window_bits = 15};
static const vital_compression OFF = {.window_bits = 15, .peer_window_bits = 15};

static vt_headers one_header(const char *value)
{
    vt_headers headers = {.count = value != NULL};
    headers.at[0] = (vital_header){"Sec-WebSocket-Extensions", value};
    return headers;
}

/* --------------------------------------------------------------------- server */

static void assert_answer(const char *offer, const vital_compression *ours, const char *answer)
{
    vt_headers headers = one_header(offer);
    vt_deflate_terms terms;
    char text[VT_EXTENSIONS_TEXT_BYTES];
    const char *problem = vt_extensions_choose(&terms, &headers, ours);
    if (problem != NULL)
        fail_msg("%s: %s", offer, problem);
    vt_extensions_answer(text, &terms);
    if (strcmp(text, answer) != 0)
        fail_msg("\"%s\" is answered with \"%s\" and not \"%s\"", offer, text, answer);
}

static void assert_declined(const char *offer)
{
    assert_answer(offer, &FULL, "");
}

static void assert_malformed(const char *offer)
{
    vt_headers headers = one_header(offer);
    vt_deflate_terms terms;
    const char *problem = vt_extensions_choose(&terms, &headers, &FULL);
    if (problem == NULL)
        fail_msg("\"%s\" is taken for a list of extensions", offer);
    assert_non_null(strstr(problem, "(RFC 6455 9.1)"));
    assert_false(terms.agreed && strcmp(offer, "") == 0);
    assert_non_null(vt_extensions_check(&terms, &headers, &FULL));
}

static void without_an_offer_nothing_is_answered(void **state)
{
    (void)state;
    assert_answer(NULL, &FULL, "");
    assert_answer(NULL, &OFF, "");
}

static void a_server_that_does_not_compress_answers_nothing(void **state)
{
    (void)state;
    assert_answer("permessage-deflate", &OFF, "");
}

static void an_offer_without_parameters_is_met_by_what_we_keep_rfc_7692_7_1(void **state)
{
    (void)state;
    assert_answer("permessage-deflate", &FULL, "permessage-deflate");
    assert_answer("permessage-deflate", &LEAN,
                  "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    vital_compression one = LEAN;
    one.keep_context = true;
    assert_answer("permessage-deflate", &one, "permessage-deflate; client_no_context_takeover");
    one = LEAN;
    one.peer_keeps_context = true;
    assert_answer("permessage-deflate", &one, "permessage-deflate; server_no_context_takeover");
}

static void context_takeover_is_given_up_when_the_client_says_so_rfc_7692_7_1_1(void **state)
{
    (void)state;
    assert_answer("permessage-deflate; server_no_context_takeover", &FULL,
                  "permessage-deflate; server_no_context_takeover");
    assert_answer("permessage-deflate; client_no_context_takeover", &FULL,
                  "permessage-deflate; client_no_context_takeover");
    assert_answer("permessage-deflate; client_no_context_takeover; server_no_context_takeover",
                  &FULL,
                  "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
}

static void a_window_is_the_smaller_of_both_wishes_rfc_7692_7_1_2(void **state)
{
    (void)state;
    for (int theirs = 9; theirs <= 15; theirs++) {
        for (int most = 9; most <= 15; most++) {
            char offer[80];
            char answer[80];
            vital_compression ours = FULL;
            int agreed = theirs < most ? theirs : most;
            ours.window_bits = most;
            snprintf(offer, sizeof offer, "permessage-deflate; server_max_window_bits=%d", theirs);
            snprintf(answer, sizeof answer, "permessage-deflate; server_max_window_bits=%d",
                     agreed);
            assert_answer(offer, &ours, answer);
        }
    }
    for (int theirs = 8; theirs <= 15; theirs++) {
        for (int most = 8; most <= 15; most++) {
            char offer[80];
            char answer[80] = "permessage-deflate";
            vital_compression ours = FULL;
            int agreed = theirs < most ? theirs : most;
            ours.peer_window_bits = most;
            snprintf(offer, sizeof offer, "permessage-deflate; client_max_window_bits=%d", theirs);
            if (agreed < 15)
                snprintf(answer, sizeof answer, "permessage-deflate; client_max_window_bits=%d",
                         agreed);
            assert_answer(offer, &ours, answer);
        }
    }
}

static void a_limit_on_our_own_window_is_told_without_being_asked_rfc_7692_7_1_2_1(void **state)
{
    (void)state;
    vital_compression ours = FULL;
    ours.window_bits = 10;
    assert_answer("permessage-deflate", &ours, "permessage-deflate; server_max_window_bits=10");
}

static void a_client_that_cannot_be_told_its_window_is_declined_one_rfc_7692_7_1_2_2(void **state)
{
    (void)state;
    vital_compression ours = FULL;
    ours.peer_window_bits = 10;
    assert_answer("permessage-deflate", &ours, "");
    assert_answer("permessage-deflate; client_max_window_bits", &ours,
                  "permessage-deflate; client_max_window_bits=10");
    /* It is not answered to who did not name it. */
    assert_answer("permessage-deflate; server_no_context_takeover", &FULL,
                  "permessage-deflate; server_no_context_takeover");
    assert_answer("permessage-deflate; client_max_window_bits", &FULL, "permessage-deflate");
}

static void a8_an_offer_of_8_for_the_server_is_declined_as_zlib_cannot(void **state)
{
    (void)state;
    assert_declined("permessage-deflate; server_max_window_bits=8");
    assert_answer("permessage-deflate; server_max_window_bits=8, permessage-deflate", &FULL,
                  "permessage-deflate");
}

static void the_first_offer_that_can_be_met_is_taken_rfc_7692_5_1(void **state)
{
    (void)state;
    assert_answer("permessage-deflate; server_max_window_bits=10, permessage-deflate", &FULL,
                  "permessage-deflate; server_max_window_bits=10");
    assert_answer("permessage-deflate, permessage-deflate; server_max_window_bits=10", &FULL,
                  "permessage-deflate");
    assert_answer("x-webkit-deflate-frame, permessage-bzip2; a=b, permessage-deflate; tea, "
                  "permessage-deflate; client_no_context_takeover, permessage-deflate",
                  &FULL, "permessage-deflate; client_no_context_takeover");

    vt_headers two = one_header("permessage-deflate; nonsense");
    vt_deflate_terms terms;
    two.at[1] = (vital_header){"sec-websocket-extensions", "permessage-deflate"};
    two.count = 2;
    assert_null(vt_extensions_choose(&terms, &two, &FULL));
    assert_true(terms.agreed);
}

static void a7_what_nobody_knows_is_declined_rfc_7692_7_1(void **state)
{
    (void)state;
    static const char *const offers[] = {
        "constructor",
        "__proto__; toString=valueOf",
        "constructor, hasOwnProperty; constructor=constructor",
        "permessage-deflate; constructor",
        "permessage-deflate; constructor=15",
        "permessage-deflate; __proto__; server_max_window_bits=15",
        "permessage-deflate2",
        "permessage-deflat",
        "Permessage-Deflate",
        "permessage-deflate; Server_no_context_takeover",
        "permessage-deflate; server_max_window_bit=15",
    };
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++)
        assert_declined(offers[i]);
}

static void a7_a_parameter_that_is_there_twice_declines_the_offer_rfc_7692_7_1(void **state)
{
    (void)state;
    static const char *const names[] = {"server_no_context_takeover", "client_no_context_takeover",
                                        "client_max_window_bits", "server_max_window_bits=15",
                                        "client_max_window_bits=15"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char offer[160];
        snprintf(offer, sizeof offer, "permessage-deflate; %s; %s", names[i], names[i]);
        assert_declined(offer);
    }
    assert_declined("permessage-deflate; client_max_window_bits; client_max_window_bits=10");
    assert_declined("permessage-deflate; client_max_window_bits=10; client_max_window_bits");
    assert_declined("permessage-deflate; server_max_window_bits=10; server_max_window_bits=11");
}

static void a8_a_value_that_cannot_be_declines_the_offer_rfc_7692_7_1(void **state)
{
    (void)state;
    static const char *const values[] = {"7",   "16",  "99",   "0",     "1",   "08",  "015",
                                         "+9",  "-9",  "9.0",  "1e1",   "0x9", "10a", "a10",
                                         "100", "150", "1000", "\"7\"", "256", "264", "4294967305"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char offer[160];
        snprintf(offer, sizeof offer, "permessage-deflate; server_max_window_bits=%s", values[i]);
        assert_declined(offer);
        snprintf(offer, sizeof offer, "permessage-deflate; client_max_window_bits=%s", values[i]);
        assert_declined(offer);
    }
    assert_declined("permessage-deflate; server_max_window_bits");
    assert_declined("permessage-deflate; server_no_context_takeover=1");
    assert_declined("permessage-deflate; client_no_context_takeover=true");
    assert_declined("permessage-deflate; server_no_context_takeover=\"a\"");
}

static void a_value_may_stand_in_quotes_if_it_is_a_token_rfc_9_1(void **state)
{
    (void)state;
    assert_answer("permessage-deflate; server_max_window_bits=\"10\"", &FULL,
                  "permessage-deflate; server_max_window_bits=10");
    assert_answer("permessage-deflate; server_max_window_bits=\"\\1\\0\"", &FULL,
                  "permessage-deflate; server_max_window_bits=10");
    assert_declined("x; y=\"token\"");
}

static void space_may_stand_between_all_parts_rfc_2_1(void **state)
{
    (void)state;
    assert_answer(" permessage-deflate\t;\tserver_max_window_bits = 10 ;client_max_window_bits ",
                  &FULL, "permessage-deflate; server_max_window_bits=10");
    assert_answer(",, permessage-deflate ,,", &FULL, "permessage-deflate");
}

static void a7_what_is_no_list_of_extensions_fails_the_handshake_rfc_9_1(void **state)
{
    (void)state;
    static const char *const offers[] = {
        "",
        " ",
        ",",
        ";",
        "permessage-deflate;",
        "permessage-deflate; ;server_max_window_bits=10",
        "permessage-deflate; =10",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=10=10",
        "permessage-deflate; server_max_window_bits=\"10",
        "permessage-deflate; server_max_window_bits=10\"",
        "permessage-deflate; server_max_window_bits=\"\"",
        "permessage-deflate; server_max_window_bits=\"1 0\"",
        "permessage-deflate; server_max_window_bits=\"1,0\"",
        "permessage-deflate; server_max_window_bits=\"10\\",
        "permessage-deflate; server_max_window_bits=\"10\"x",
        "permessage deflate",
        "permessage/deflate",
        "b                                x",
        "\"permessage-deflate\"",
        "permessage-deflate; a=b c",
        "x; y=\"a,permessage-deflate",
    };
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++)
        assert_malformed(offers[i]);
    /* Behind a good offer, too: whoever reads it otherwise must not exist. */
    assert_malformed("permessage-deflate, ;");
}

/* Not a measurement: a quadratic way would not end within a test's time. */
static void a7_ten_million_parameters_are_read_in_one_pass(void **state)
{
    enum { COUNT = 10 * 1000 * 1000 };
    static const char first[] = "permessage-deflate";
    static const char each[] = ";a=1";
    (void)state;
    char *offer = malloc(sizeof first + COUNT * (sizeof each - 1));
    assert_non_null(offer);
    memcpy(offer, first, sizeof first);
    for (size_t i = 0; i < COUNT; i++)
        memcpy(offer + sizeof first - 1 + i * (sizeof each - 1), each, sizeof each);
    assert_declined(offer);
    memset(offer, ' ', COUNT);
    offer[0] = 'b';
    assert_malformed(offer);
    free(offer);
}

/* --------------------------------------------------------------------- client */

static void assert_offer(const vital_compression *ours, const char *offer)
{
    char text[VT_EXTENSIONS_TEXT_BYTES];
    vt_extensions_offer(text, ours);
    assert_string_equal(text, offer);
}

static void a_client_offers_what_it_wishes_rfc_7692_7_1(void **state)
{
    (void)state;
    vital_compression ours = FULL;
    assert_offer(&OFF, "");
    assert_offer(&FULL, "permessage-deflate; client_max_window_bits");
    assert_offer(&LEAN, "permessage-deflate; server_no_context_takeover; "
                        "client_no_context_takeover; client_max_window_bits");
    ours.window_bits = 9;
    ours.peer_window_bits = 8;
    assert_offer(&ours, "permessage-deflate; server_max_window_bits=8; client_max_window_bits=9");
}

static const char *check(const char *answer, const vital_compression *ours, vt_deflate_terms *terms)
{
    vt_headers headers = one_header(answer);
    return vt_extensions_check(terms, &headers, ours);
}

static void assert_failed(const char *answer, const vital_compression *ours, const char *words)
{
    vt_deflate_terms terms;
    const char *problem = check(answer, ours, &terms);
    if (problem == NULL)
        fail_msg("\"%s\" is accepted", answer);
    if (strstr(problem, words) == NULL)
        fail_msg("\"%s\": \"%s\" does not say \"%s\"", answer, problem, words);
    assert_false(terms.agreed);
}

static void a_server_may_decline_rfc_7692_5_1(void **state)
{
    vt_deflate_terms terms;
    (void)state;
    assert_null(check(NULL, &FULL, &terms));
    assert_false(terms.agreed);
}

static void an_answer_to_no_offer_fails_the_connection_rfc_4_1(void **state)
{
    (void)state;
    assert_failed("permessage-deflate", &OFF, "not offered (RFC 6455 4.1)");
    assert_failed("permessage-bzip2", &FULL, "not offered (RFC 6455 4.1)");
    assert_failed("constructor", &FULL, "not offered (RFC 6455 4.1)");
    assert_failed("permessage-deflate, permessage-deflate", &FULL, "more extensions");
    assert_failed("permessage-deflate, x", &FULL, "more extensions");
}

static void a8_an_answer_that_makes_no_sense_fails_the_connection_rfc_7692_7_1(void **state)
{
    (void)state;
    static const char *const parameters[] = {
        "tea",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=99",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits",
        "client_max_window_bits=7",
        "client_max_window_bits=99",
        "server_no_context_takeover=1",
        "client_no_context_takeover; client_no_context_takeover",
    };
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        char answer[120];
        snprintf(answer, sizeof answer, "permessage-deflate; %s", parameters[i]);
        assert_failed(answer, &FULL, "(RFC 7692 7.1)");
    }
}

static void an_answer_that_ignores_what_was_asked_fails_the_connection_rfc_7692_7_1(void **state)
{
    (void)state;
    vital_compression ours = FULL;
    assert_failed("permessage-deflate", &LEAN, "server_no_context_takeover (RFC 7692 7.1.1.1)");
    ours.peer_window_bits = 10;
    assert_failed("permessage-deflate", &ours, "server_max_window_bits (RFC 7692 7.1.2.1)");
    assert_failed("permessage-deflate; server_max_window_bits=11", &ours, "(RFC 7692 7.1.2.1)");
    ours = FULL;
    ours.window_bits = 10;
    assert_failed("permessage-deflate; client_max_window_bits=11", &ours, "(RFC 7692 7.1.2.2)");
}

static void what_is_answered_counts_rfc_7692_7_1(void **state)
{
    vt_deflate_terms terms;
    (void)state;
    assert_null(check("permessage-deflate", &FULL, &terms));
    assert_true(terms.agreed && terms.server_keeps && terms.client_keeps);
    assert_int_equal(terms.server_bits, 15);
    assert_int_equal(terms.client_bits, 15);

    assert_null(check("permessage-deflate; server_no_context_takeover; client_no_context_takeover;"
                      " server_max_window_bits=8; client_max_window_bits=8",
                      &FULL, &terms));
    assert_true(terms.agreed && !terms.server_keeps && !terms.client_keeps);
    assert_int_equal(terms.server_bits, 8);
    assert_int_equal(terms.client_bits, 8);

    /* A client that has said it would keep none keeps none. */
    assert_null(check("permessage-deflate; server_no_context_takeover", &LEAN, &terms));
    assert_true(terms.agreed && !terms.server_keeps && !terms.client_keeps);

    vital_compression ours = FULL;
    ours.window_bits = 11;
    assert_null(check("permessage-deflate", &ours, &terms));
    assert_int_equal(terms.client_bits, 11);
}

/* ----------------------------------------------------------------- both sides */

static vital_compression combination(unsigned number)
{
    return (vital_compression){
        .enabled = true,
        .keep_context = number & 1,
        .peer_keeps_context = number >> 1 & 1,
        .window_bits = 9 + (int)(number >> 2) % 7,
        .peer_window_bits = 8 + (int)((number >> 2) / 7) % 8,
    };
}

static void both_roles_understand_the_same_in_every_combination(void **state)
{
    enum { COMBINATIONS = 4 * 7 * 8 };
    unsigned agreed = 0;
    (void)state;
    for (unsigned c = 0; c < COMBINATIONS; c++) {
        for (unsigned s = 0; s < COMBINATIONS; s++) {
            vital_compression client = combination(c);
            vital_compression server = combination(s);
            vt_deflate_terms chosen, understood;
            char offer[VT_EXTENSIONS_TEXT_BYTES];
            char answer[VT_EXTENSIONS_TEXT_BYTES];
            vt_extensions_offer(offer, &client);
            vt_headers request = one_header(offer);
            assert_null(vt_extensions_choose(&chosen, &request, &server));
            /* Who offers client_max_window_bits in some form is never declined, but
             * for 8 bits of the server's. */
            assert_int_equal(chosen.agreed, client.peer_window_bits > 8);
            if (!chosen.agreed)
                continue;
            vt_extensions_answer(answer, &chosen);
            const char *problem = check(answer, &client, &understood);
            if (problem != NULL)
                fail_msg("\"%s\" is answered with \"%s\": %s", offer, answer, problem);
            assert_int_equal(understood.server_keeps, chosen.server_keeps);
            assert_int_equal(understood.client_keeps, chosen.client_keeps);
            assert_int_equal(understood.server_bits, chosen.server_bits);
            assert_int_equal(understood.client_bits, chosen.client_bits);
            assert_int_equal(chosen.server_keeps, server.keep_context && client.peer_keeps_context);
            assert_int_equal(chosen.client_keeps, client.keep_context && server.peer_keeps_context);
            agreed++;
        }
    }
    assert_int_equal(agreed, COMBINATIONS * COMBINATIONS * 7 / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_offer_nothing_is_answered),
        cmocka_unit_test(a_server_that_does_not_compress_answers_nothing),
        cmocka_unit_test(an_offer_without_parameters_is_met_by_what_we_keep_rfc_7692_7_1),
        cmocka_unit_test(context_takeover_is_given_up_when_the_client_says_so_rfc_7692_7_1_1),
        cmocka_unit_test(a_window_is_the_smaller_of_both_wishes_rfc_7692_7_1_2),
        cmocka_unit_test(a_limit_on_our_own_window_is_told_without_being_asked_rfc_7692_7_1_2_1),
        cmocka_unit_test(a_client_that_cannot_be_told_its_window_is_declined_one_rfc_7692_7_1_2_2),
        cmocka_unit_test(a8_an_offer_of_8_for_the_server_is_declined_as_zlib_cannot),
        cmocka_unit_test(the_first_offer_that_can_be_met_is_taken_rfc_7692_5_1),
        cmocka_unit_test(a7_what_nobody_knows_is_declined_rfc_7692_7_1),
        cmocka_unit_test(a7_a_parameter_that_is_there_twice_declines_the_offer_rfc_7692_7_1),
        cmocka_unit_test(a8_a_value_that_cannot_be_declines_the_offer_rfc_7692_7_1),
        cmocka_unit_test(a_value_may_stand_in_quotes_if_it_is_a_token_rfc_9_1),
        cmocka_unit_test(space_may_stand_between_all_parts_rfc_2_1),
        cmocka_unit_test(a7_what_is_no_list_of_extensions_fails_the_handshake_rfc_9_1),
        cmocka_unit_test(a7_ten_million_parameters_are_read_in_one_pass),
        cmocka_unit_test(a_client_offers_what_it_wishes_rfc_7692_7_1),
        cmocka_unit_test(a_server_may_decline_rfc_7692_5_1),
        cmocka_unit_test(an_answer_to_no_offer_fails_the_connection_rfc_4_1),
        cmocka_unit_test(a8_an_answer_that_makes_no_sense_fails_the_connection_rfc_7692_7_1),
        cmocka_unit_test(an_answer_that_ignores_what_was_asked_fails_the_connection_rfc_7692_7_1),
        cmocka_unit_test(what_is_answered_counts_rfc_7692_7_1),
        cmocka_unit_test(both_roles_understand_the_same_in_every_combination),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

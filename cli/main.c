/*
 * `vital`: finds the command that the first word names and gives it the rest.
 * Everything else is the commands' own business: see serve.c, ping.c, connect.c.
 */
#include "commands.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vital/vital.h>

#include "exits.h"

typedef struct cli_command {
    const char *name;
    int (*run)(int argc, const char **argv);
    const char *summary;
} cli_command;

static const cli_command commands[] = {
    {"serve", serve_command, "an echo server that watches its clients' pulse"},
    {"ping", ping_command, "measure whether and how fast a WebSocket answers"},
    {"connect", connect_command, "lines in, messages out, over a connection that comes back"},
    {"probe", probe_command, "find how long the path to a server bears silence"},
    {"bench", bench_command, "load a server, and measure its answers and its costs"},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const cli_command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static void print_help(FILE *to)
{
    fputs("Usage: vital COMMAND [OPTION...] [URL]\n\n"
          "WebSocket connections that stay alive, know when they are dead, say why, and\n"
          "come back.\n\nCommands:\n",
          to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-10s%s\n", commands[i].name, commands[i].summary);
    fputs("\n`vital COMMAND --help` lists a command's options.\n"
          "Exit codes: 0 went well, 2 bad usage or could not start; `vital ping` ends with\n"
          "1 if nothing answered, `vital connect` with the code of its verdict, `vital\n"
          "bench` with 3 if the result is not as wanted (vital(1)).\n",
          to);
}

static int unknown(const char *word)
{
    fprintf(stderr, "vital: there is no %s `%s`\ntry: vital --help\n",
            word[0] == '-' ? "option" : "command", word);
    return EXITS_TROUBLE;
}

/* `vital help ping` is `vital ping --help`. */
static int help(int argc, const char **argv)
{
    if (argc < 3) {
        print_help(stdout);
        return EXITS_FINE;
    }
    const cli_command *command = command_find(argv[2]);
    if (command == NULL)
        return unknown(argv[2]);
    const char *words[] = {command->name, "--help", NULL};
    return command->run(2, words);
}

/* A process started without stdin, stdout or stderr would open its sockets in
 * their place, and print into them. */
static void fill_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    const char **words = (const char **)argv;
    fill_standard_descriptors();
    if (argc < 2) {
        print_help(stderr);
        return EXITS_TROUBLE;
    }
    const char *word = words[1];
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        puts("vital " VITAL_VERSION);
        return EXITS_FINE;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
        return help(argc, words);
    const cli_command *command = command_find(word);
    return command != NULL ? command->run(argc - 1, words + 1) : unknown(word);
}

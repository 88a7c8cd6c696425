/*
 * The commands of `vital`. Each is given its own words of the command line,
 * with itself in argv[0], and returns the exit code of the process.
 */
#ifndef VITAL_CLI_COMMANDS_H
#define VITAL_CLI_COMMANDS_H

int serve_command(int argc, const char **argv);
int ping_command(int argc, const char **argv);
int connect_command(int argc, const char **argv);
int probe_command(int argc, const char **argv);
int bench_command(int argc, const char **argv);

#endif

/*
 * A story: sentences that make things happen in a world. The language is in
 * tests/traces/README.md; its whole grammar is one table in story.c.
 */
#ifndef STORY_H
#define STORY_H

struct story;

struct story *story_begin(void);
void story_end(struct story *story); /* accepts NULL */

/* Plays sentences, one a line, after those that were played before. Returns what
 * happened since then, malloc'd; or NULL, with *line counted from 1 and a
 * sentence in *problem, which lives as long as the story. */
char *story_play(struct story *story, const char *sentences, int *line, const char **problem);

#endif

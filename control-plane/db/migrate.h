/*
 * The schema: files sql/NNNN_name.sql, applied in the order of their numbers,
 * each in a transaction of its own, under an advisory lock. Table
 * schema_migrations has number, name and SHA-256 of each that was applied: a
 * file that changed afterwards, or is missing, is refused, and so is a schema
 * that is newer than the files.
 */

#ifndef MIGRATE_H
#define MIGRATE_H

#include "db/db.h"

/* Reads the files; -1 with a sentence in err. Once, at start. */
int migrate_load(const char *dir, char *err, int size);
void migrate_unload(void);

/* Applies what is missing and prints what it did. -1 with a sentence. */
int migrate_run(db_t *db, char *err, int size);

/*
 * NULL when the database has exactly the schema of the files; else a sentence
 * (static, or until the thread's next call) that says what is wrong and what
 * to do.
 */
const char *migrate_wrong(db_t *db);

#endif

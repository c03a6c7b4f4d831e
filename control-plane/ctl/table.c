#include "ctl/table.h"

#include <stdio.h>
#include <string.h>

#define TABLE_COLUMNS  12
#define TABLE_WIDTH    60       /* characters of a column at most */


/* Characters, not bytes; UTF-8 is what JSON has. */
static int
text_width(const char *text)
{
    int  n;

    for (n = 0; *text != '\0'; text++) {
        n += (*text & 0xc0) != 0x80;
    }

    return n;
}


/* width 0: no padding behind. Returns nothing that a terminal would obey. */
static void
text_print(const char *text, int width)
{
    int            n;
    unsigned char  c;

    for (n = 0; *text != '\0'; text++) {
        c = (unsigned char) *text;
        n += (c & 0xc0) != 0x80;

        if (n > TABLE_WIDTH) {
            fputs("…", stdout);
            break;
        }

        /* C1 controls are c2 80 to c2 9f */

        if (c == 0xc2 && ((unsigned char) text[1] & 0xe0) == 0x80) {
            putchar('?');
            text++;
        } else {
            putchar(c < 0x20 || c == 0x7f ? '?' : c);
        }
    }

    for (; n < width; n++) {
        putchar(' ');
    }
}


static const char *
cell(json_t *row, size_t column)
{
    const char  *text;

    text = json_string_value(json_array_get(row, column));

    return text != NULL ? text : "";
}


void
table_print(const char *const *heads, json_t *rows)
{
    int      width[TABLE_COLUMNS], w;
    size_t   row, column, columns;
    json_t  *one;

    for (columns = 0; heads[columns] != NULL && columns < TABLE_COLUMNS;
         columns++)
    {
        width[columns] = text_width(heads[columns]);
    }

    for (row = 0; row < json_array_size(rows); row++) {
        one = json_array_get(rows, row);

        for (column = 0; column < columns; column++) {
            w = text_width(cell(one, column));
            w = w < TABLE_WIDTH ? w : TABLE_WIDTH;
            width[column] = w > width[column] ? w : width[column];
        }
    }

    for (column = 0; column < columns; column++) {
        text_print(heads[column], column + 1 < columns ? width[column] + 2
                                                       : 0);
    }

    putchar('\n');

    for (row = 0; row < json_array_size(rows); row++) {
        one = json_array_get(rows, row);

        for (column = 0; column < columns; column++) {
            text_print(cell(one, column),
                column + 1 < columns ? width[column] + 2 : 0);
        }

        putchar('\n');
    }

    json_decref(rows);
}


json_t *
table_text(json_t *object, const char *name)
{
    json_t  *value;

    value = json_object_get(object, name);

    if (json_is_string(value)) {
        return json_incref(value);
    }

    if (json_is_boolean(value)) {
        return json_string(json_is_true(value) ? "yes" : "no");
    }

    if (json_is_number(value)) {
        return json_sprintf("%.0f", json_number_value(value));
    }

    return json_string("-");
}


void
table_json(json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(1));
    putchar('\n');
}

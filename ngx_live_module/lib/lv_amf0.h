/*
 * AMF0 (Adobe "Action Message Format -- AMF 0", 2007): a pull parser over a
 * buffer and a writer into one.
 *
 * Reading copies nothing: every string and every container of a value is a
 * view into the caller's buffer and lives as long as that does. A container
 * is first passed over as a whole (which checks it) and opened on demand, so
 * unknown members cost nothing to ignore. Depth and number of values are
 * limited; a length that does not fit the buffer is an error, never a read
 * beyond it.
 *
 * Real encoders write objects where arrays belong, leave out end markers, put
 * numbers into strings. lv_amf0_number() and lv_amf0_find() take all of that.
 * An AMF3 value behind the marker 0x11 is passed over; its scalars and
 * strings come out as their AMF0 kind.
 */

#ifndef LV_AMF0_H
#define LV_AMF0_H

#include "lv_base.h"

#define LV_AMF0_MAX_DEPTH   16
#define LV_AMF0_MAX_VALUES  4096

typedef enum {
    LV_AMF0_NUMBER       = 0x00,
    LV_AMF0_BOOLEAN      = 0x01,
    LV_AMF0_STRING       = 0x02,    /* long strings and XML too */
    LV_AMF0_OBJECT       = 0x03,    /* typed objects too */
    LV_AMF0_NULL         = 0x05,
    LV_AMF0_UNDEFINED    = 0x06,    /* "unsupported" and references too */
    LV_AMF0_ECMA_ARRAY   = 0x08,
    LV_AMF0_STRICT_ARRAY = 0x0a,
    LV_AMF0_DATE         = 0x0b,
    LV_AMF0_AMF3         = 0x11     /* an AMF3 value that is not a scalar */
} lv_amf0_type_e;

typedef struct {
    lv_amf0_type_e  type;
    double          num;    /* NUMBER; BOOLEAN as 0 or 1; DATE in ms */
    lv_str_t        str;    /* STRING; the members of a container */
} lv_amf0_value_t;

typedef struct {
    const uint8_t  *p;
    const uint8_t  *end;
    unsigned        values;   /* how many may still be read */
    uint8_t         kind;     /* of the container that is being walked */
    const char     *err;      /* static text after LV_ERROR */
} lv_amf0_reader_t;

void lv_amf0_read_init(lv_amf0_reader_t *r, const uint8_t *p, size_t n);

/*
 * The next value of a message. LV_OK, LV_DECLINED at the end of the buffer,
 * LV_ERROR when the bytes are no AMF0 (r->err).
 */
int lv_amf0_read(lv_amf0_reader_t *r, lv_amf0_value_t *v);

/*
 * Walks the members of a container: open gives a reader of its own, and
 * next the members in order (the key is empty in a strict array). LV_OK,
 * LV_DECLINED at the end; open: LV_DECLINED when v is no container.
 */
bool lv_amf0_is_container(const lv_amf0_value_t *v);
int lv_amf0_open(const lv_amf0_value_t *v, lv_amf0_reader_t *r);
int lv_amf0_next(lv_amf0_reader_t *r, lv_str_t *key, lv_amf0_value_t *v);

/* The member of that name, its last one if there are several. */
int lv_amf0_find(const lv_amf0_value_t *obj, const char *key,
    lv_amf0_value_t *v);

/*
 * A finite number from a number, a boolean or a string such as "29.97";
 * LV_DECLINED otherwise.
 */
int lv_amf0_number(const lv_amf0_value_t *v, double *num);

/* Both in one: the member of that name as a number, or as a string. */
int lv_amf0_find_number(const lv_amf0_value_t *obj, const char *key,
    double *num);
int lv_amf0_find_string(const lv_amf0_value_t *obj, const char *key,
    lv_str_t *str);

/* The 8 bytes of a number on the wire (IEEE 754, big endian). */
double lv_amf0_double(const uint8_t *p);


/*
 * The writer. What does not fit sets overflow and writes nothing more, so a
 * message can be built without a check at each step.
 */
typedef struct {
    uint8_t  *start;
    uint8_t  *p;
    uint8_t  *end;
    bool      overflow;
} lv_amf0_writer_t;

void lv_amf0_write_init(lv_amf0_writer_t *w, uint8_t *p, size_t n);
void lv_amf0_put_number(lv_amf0_writer_t *w, double num);
void lv_amf0_put_boolean(lv_amf0_writer_t *w, bool value);
void lv_amf0_put_string(lv_amf0_writer_t *w, const char *s);
void lv_amf0_put_null(lv_amf0_writer_t *w);
void lv_amf0_put_undefined(lv_amf0_writer_t *w);
/* begin, then key and value by turns, then end */
void lv_amf0_put_object(lv_amf0_writer_t *w);
void lv_amf0_put_key(lv_amf0_writer_t *w, const char *key);
void lv_amf0_put_end(lv_amf0_writer_t *w);
/* a strict array: exactly so many values follow, there is no end */
void lv_amf0_put_array(lv_amf0_writer_t *w, uint32_t n);

#endif

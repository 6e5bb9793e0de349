/* Android's libc, as far as the x86_64 libtensorflowlite_jni.so of org.tensorflow:tensorflow-lite needs it, over glibc.
 *
 * It must come first in the process (LD_PRELOAD): it wraps the stdio functions to which bionic's own FILEs are given.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* bionic's stdin, stdout and stderr are three records of 152 bytes in an array of this name. */
#define RECORD 152
char __sF[3][RECORD];

static FILE *known(void *stream)
{
    if (stream == __sF[0])
        return stdin;
    if (stream == __sF[1])
        return stdout;
    return stream == __sF[2] ? stderr : (FILE *)stream;
}

static void *glibc(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

int vfprintf(FILE *stream, const char *format, va_list values)
{
    return ((int (*)(FILE *, const char *, va_list))glibc("vfprintf"))(known(stream), format, values);
}

int fprintf(FILE *stream, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int written = vfprintf(stream, format, values);
    va_end(values);
    return written;
}

size_t fwrite(const void *data, size_t size, size_t count, FILE *stream)
{
    return ((size_t(*)(const void *, size_t, size_t, FILE *))glibc("fwrite"))(data, size, count, known(stream));
}

int fputc(int value, FILE *stream)
{
    return ((int (*)(int, FILE *))glibc("fputc"))(value, known(stream));
}

int fflush(FILE *stream)
{
    return ((int (*)(FILE *))glibc("fflush"))(known(stream));
}

int *__errno(void)
{
    return &errno;
}

size_t __strlen_chk(const char *text, size_t room)
{
    (void)room;
    return strlen(text);
}

/* No property of a phone is set here. */
int __system_property_get(const char *name, char *value)
{
    (void)name;
    value[0] = '\0';
    return 0;
}

void android_set_abort_message(const char *message)
{
    fprintf(stderr, "abort: %s\n", message ? message : "");
}

int __android_log_vprint(int priority, const char *tag, const char *format, va_list values)
{
    (void)priority;
    fprintf(stderr, "%s: ", tag);
    int written = vfprintf(stderr, format, values);
    fputc('\n', stderr);
    return written + 1;
}

/* bionic numbers these otherwise; nothing in a JVM asks glibc for the same numbers. */
long sysconf(int name)
{
    int theirs = name == 39 || name == 40 ? _SC_PAGESIZE : name == 96 ? _SC_NPROCESSORS_CONF
        : name == 97 ? _SC_NPROCESSORS_ONLN : name;
    return ((long (*)(int))glibc("sysconf"))(theirs);
}

/* A plugin for qemu-user: records what one inference executes, in short windows, and what its caches would do.
 *
 *   gcc -O2 -shared -fPIC -DQEMU_API=1 -o coretrace.so coretrace.c     QEMU_API: 1 up to QEMU 8.2, 2 from 9.0 on
 *   EDGEKD_CORE_TRACE=FILE qemu-aarch64 -plugin file=coretrace.so PROGRAM
 *
 * FILE must be there and hold struct shared; the guest maps it too and sets `state`. FILE.blocks gets a line for each
 * block of code that was translated ("number hexadecimal-bytes"), FILE.windows for each window MARK, the number of its
 * part and the numbers of the blocks that were executed in it (32 bits each).
 *
 *   state 0  nothing is recorded
 *   state 1  blocks translated from now on report their memory accesses; these fill the caches
 *   state 2  the same, and instructions, windows and misses are recorded
 *
 * An inference of `expected` instructions is divided into `parts` of equal length. In each of them one window of
 * `window` instructions is recorded, at a place drawn at random (the same places each time).
 *
 * Exact only while one thread of the guest runs. QEMU's and GLib's headers are not needed: what is used of the
 * interface is declared here. Source: include/qemu/qemu-plugin.h of QEMU 7.2 and 9.0.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define VARIABLE "EDGEKD_CORE_TRACE"

enum { LEVELS = 3, MOST_PARTS = 1024, MOST_WAYS = 16, STREAMS = 16, LINE_BITS = 6 };
enum { NO_REGISTERS = 0, READ_AND_WRITE = 3 };
static const uint32_t MARK = UINT32_MAX;

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*tb_translated)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*block_entered)(unsigned int cpu, void *data);
typedef void (*memory_accessed)(unsigned int cpu, qemu_plugin_meminfo_t, uint64_t address, void *data);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, tb_translated);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, block_entered, int registers, void *data);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, memory_accessed, int registers, int kind, void *);
extern bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
#if QEMU_API == 1
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
#else
extern size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *, void *to, size_t size);
#endif

EXPORT int qemu_plugin_version = QEMU_API;

/* What a part of the inference executed and missed; a miss is `streamed` where it follows a run of neighbours. */
struct part {
    uint64_t instructions, accesses;
    struct {
        uint64_t streamed, scattered, written;
    } misses[LEVELS];
};

struct shared {
    uint64_t state, expected, parts, window;
    struct {
        uint64_t bytes, ways; /* 0 bytes: there is no such level */
    } caches[LEVELS];
    struct part part[MOST_PARTS];
};

struct line {
    uint64_t tag; /* the line's number + 1; 0 is an empty place */
    uint64_t used;
    bool dirty;
};

struct cache {
    uint64_t sets, ways, clock;
    struct line *lines;
    uint64_t streams[STREAMS];
    unsigned int oldest;
};

struct block {
    uint32_t number, instructions;
};

static volatile struct shared *shared;
static FILE *blocks, *windows;
static struct cache caches[LEVELS];
static uint32_t block_count;
static uint64_t recorded, window_start, window_left;
static uint64_t part_index, seed, last_line = UINT64_MAX;
static bool last_written, recording, finished;

static uint64_t draw(uint64_t below)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return below ? seed % below : 0;
}

static void plan_window(void)
{
    uint64_t length = shared->expected / shared->parts;
    window_start = part_index * length + draw(length > shared->window ? length - shared->window : 0);
    window_left = shared->window;
}

static void start_recording(void)
{
    recording = true, recorded = 0, part_index = 0, seed = 88172645463325252u;
    plan_window();
}

static void write_number(uint32_t number)
{
    fwrite(&number, sizeof(number), 1, windows);
}

static void record(const struct block *block)
{
    uint64_t length = shared->expected / shared->parts;
    if (part_index + 1 < shared->parts && recorded >= (part_index + 1) * length) {
        part_index++;
        plan_window();
    }
    shared->part[part_index].instructions += block->instructions;
    if (window_left && recorded >= window_start) {
        if (window_left == shared->window)
            write_number(MARK), write_number((uint32_t)part_index);
        write_number(block->number);
        window_left = block->instructions < window_left ? window_left - block->instructions : 0;
    }
    recorded += block->instructions;
}

static void on_entered(unsigned int cpu, void *data)
{
    (void)cpu;
    if (shared->state == 2 && !finished) {
        if (!recording)
            start_recording();
        record(data);
    } else if (recording) {
        recording = false, finished = true;
        fflush(windows), fflush(blocks);
    }
}

/* Whether a miss continues a run of neighbouring lines, up or down, as a prefetcher would notice. */
static bool is_streamed(struct cache *cache, uint64_t line)
{
    for (int k = 0; k < STREAMS; k++) {
        int64_t step = (int64_t)(line - cache->streams[k]);
        if (step && step >= -2 && step <= 2) {
            cache->streams[k] = line;
            return true;
        }
    }
    cache->streams[cache->oldest++ % STREAMS] = line;
    return false;
}

static void access_level(int level, uint64_t line, bool write)
{
    struct cache *cache = &caches[level];
    if (level == LEVELS || !cache->sets)
        return;
    struct line *set = cache->lines + line % cache->sets * cache->ways, *victim = set;
    cache->clock++;
    for (uint64_t way = 0; way < cache->ways; way++) {
        if (set[way].tag == line + 1) {
            set[way].used = cache->clock, set[way].dirty |= write;
            return;
        }
        if (set[way].used < victim->used)
            victim = &set[way];
    }
    bool streamed = is_streamed(cache, line);
    if (recording) {
        volatile struct part *part = &shared->part[part_index];
        part->misses[level].streamed += streamed, part->misses[level].scattered += !streamed;
        part->misses[level].written += victim->tag && victim->dirty;
    }
    if (victim->tag && victim->dirty && level + 1 < LEVELS)
        access_level(level + 1, victim->tag - 1, true);
    *victim = (struct line){line + 1, cache->clock, write};
    if (level + 1 < LEVELS)
        access_level(level + 1, line, false);
}

static void on_access(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    (void)cpu, (void)data;
    bool write = qemu_plugin_mem_is_store(info);
    uint64_t line = address >> LINE_BITS;
    if (!shared->state)
        return;
    if (recording)
        shared->part[part_index].accesses++;
    if (line == last_line && write <= last_written)
        return;
    last_line = line, last_written = write;
    access_level(0, line, write);
}

static void write_block(const struct qemu_plugin_tb *tb, uint32_t number)
{
    fprintf(blocks, "%u ", number);
    for (size_t k = 0; k < qemu_plugin_tb_n_insns(tb); k++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, k);
        unsigned char code[8] = {0};
        size_t size = qemu_plugin_insn_size(insn) < sizeof(code) ? qemu_plugin_insn_size(insn) : sizeof(code);
#if QEMU_API == 1
        memcpy(code, qemu_plugin_insn_data(insn), size);
#else
        qemu_plugin_insn_data(insn, code, size);
#endif
        for (size_t byte = 0; byte < size; byte++)
            fprintf(blocks, "%02x", code[byte]);
    }
    fputc('\n', blocks);
}

static void on_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    struct block *block = malloc(sizeof(*block));
    if (block == NULL)
        abort();
    *block = (struct block){block_count++, (uint32_t)qemu_plugin_tb_n_insns(tb)};
    if (!finished)
        write_block(tb, block->number);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_entered, NO_REGISTERS, block);
    if (!shared->state)
        return;
    for (size_t k = 0; k < block->instructions; k++)
        qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, k), on_access, NO_REGISTERS, READ_AND_WRITE, NULL);
}

static FILE *open_beside(const char *path, const char *ending)
{
    char name[4096];
    if (snprintf(name, sizeof(name), "%s%s", path, ending) >= (int)sizeof(name))
        return NULL;
    int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return file < 0 ? NULL : fdopen(file, "wb");
}

static bool make_caches(void)
{
    for (int level = 0; level < LEVELS; level++) {
        uint64_t bytes = shared->caches[level].bytes, ways = shared->caches[level].ways;
        if (!bytes)
            continue;
        if (!ways || bytes % (ways << LINE_BITS))
            return false;
        caches[level].ways = ways, caches[level].sets = bytes / (ways << LINE_BITS);
        caches[level].lines = calloc(bytes >> LINE_BITS, sizeof(struct line));
        if (caches[level].lines == NULL)
            return false;
    }
    return shared->parts > 0 && shared->parts <= MOST_PARTS;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    const char *path = getenv(VARIABLE);
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0 || status.st_size < (off_t)sizeof(*shared)) {
        fprintf(stderr, "coretrace: the file that %s names cannot be opened or is too short\n", VARIABLE);
        return -1;
    }
    void *page = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    shared = page == MAP_FAILED ? NULL : page;
    blocks = open_beside(path, ".blocks"), windows = open_beside(path, ".windows");
    if (shared == NULL || blocks == NULL || windows == NULL || !make_caches()) {
        fprintf(stderr, "coretrace: %s cannot be used: it must be new and describe caches of whole sets\n", path);
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
    return 0;
}

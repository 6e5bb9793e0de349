/* A plugin for qemu-user: counts the guest's executed instructions into a file that the guest maps too.
 *
 *   gcc -O2 -shared -fPIC -DQEMU_API=1 -o insncount.so insncount.c     QEMU_API: 1 up to QEMU 8.2, 2 from 9.0 on
 *   EDGEKD_INSTRUCTION_COUNTER=FILE qemu-aarch64 -plugin file=insncount.so PROGRAM
 *
 * FILE must be there and hold at least 8 bytes: at offset 0 the count, 64 bits little endian.
 * A block of instructions is counted when it is entered. QEMU 8's inline addition is not atomic: there, the count is
 * exact only while one thread of the guest runs. QEMU 9 has no inline addition to memory of ours, so that a callback
 * adds there, atomically; it is slower.
 *
 * QEMU's and GLib's headers are not needed: what is used of the interface is declared here.
 * Source: include/qemu/qemu-plugin.h of QEMU 7.2 and 9.0.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define VARIABLE "EDGEKD_INSTRUCTION_COUNTER"

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
typedef void (*tb_translated)(qemu_plugin_id_t, struct qemu_plugin_tb *);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, tb_translated);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);

EXPORT int qemu_plugin_version = QEMU_API;

static uint64_t *count;

#if QEMU_API == 1
enum { INLINE_ADD_U64 = 0 };
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int op, void *to, uint64_t value);

static void on_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, INLINE_ADD_U64, count, qemu_plugin_tb_n_insns(block));
}
#else
enum { NO_REGISTERS = 0 };
typedef void (*block_entered)(unsigned int cpu, void *data);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, block_entered, int registers, void *data);

static void on_entered(unsigned int cpu, void *data)
{
    (void)cpu;
    __atomic_fetch_add(count, (uint64_t)(uintptr_t)data, __ATOMIC_RELAXED);
}

static void on_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(block, on_entered, NO_REGISTERS, (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}
#endif

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    const char *path = getenv(VARIABLE);
    if (path == NULL) {
        fprintf(stderr, "insncount: %s is not set\n", VARIABLE);
        return -1;
    }
    int file = open(path, O_RDWR | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0 || status.st_size < (off_t)sizeof(*count)) {
        fprintf(stderr, "insncount: %s cannot be opened or is too short\n", path);
        return -1;
    }
    void *page = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (page == MAP_FAILED) {
        perror("insncount: mmap");
        return -1;
    }
    count = page;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
    return 0;
}

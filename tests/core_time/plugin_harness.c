/* Drives coretrace.c without an emulator: the functions of QEMU that it calls are here, and the guest is a loop. */
#include "../../edgekd/core_time/coretrace.c"

static unsigned char code[8] = {0x1f, 0x20, 0x03, 0xd5, 0x1f, 0x20, 0x03, 0xd5};
static block_entered enter;
static memory_accessed access_memory;
static void *block;
static tb_translated translated;

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_translated cb) { (void)id, translated = cb; }
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, block_entered cb, int registers, void *data)
{
    (void)tb, (void)registers, enter = cb, block = data;
}
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, memory_accessed cb, int registers, int kind, void *data)
{
    (void)insn, (void)registers, (void)kind, (void)data, access_memory = cb;
}
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb) { (void)tb; return 2; }
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t k)
{
    (void)tb;
    return (struct qemu_plugin_insn *)(code + 4 * k);
}
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn) { (void)insn; return 4; }
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn) { return insn; }
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info) { return info; }

/* Reads (kind 0) or writes (kind 1) so many lines of 64 bytes, each `stride` lines apart, twice a line. */
static void sweep(uint64_t lines, uint64_t stride, uint32_t kind)
{
    for (uint64_t k = 0; k < 2 * lines; k++)
        enter(0, block), access_memory(0, kind, k / 2 * stride * 64 + k % 2 * 8, NULL);
}

int main(int argc, char **argv)
{
    uint64_t lines = strtoull(argv[1], NULL, 10), stride = strtoull(argv[2], NULL, 10);
    uint32_t kind = (uint32_t)strtoul(argv[3], NULL, 10);
    if (argc != 4 || qemu_plugin_install(1, NULL, 0, NULL) != 0)
        return 1;
    shared->state = 1;
    translated(1, NULL);
    sweep(lines, stride, kind);
    shared->expected = 4 * lines, shared->state = 2;
    sweep(lines, stride, kind);
    shared->state = 0;
    enter(0, block);
    return 0;
}

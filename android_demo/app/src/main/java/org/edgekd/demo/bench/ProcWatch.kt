package org.edgekd.demo.bench

import java.io.File
import java.io.IOException
import java.io.RandomAccessFile

/**
 * Waiting and places of threads by Linux's own files, which stay open: a look is two system calls a thread and makes
 * no garbage. It belongs to the thread that opened it.
 *
 * Source: the kernel's Documentation/scheduler/sched-stats.rst; proc_pid_stat(5).
 */
class ProcWatch private constructor(private val schedstats: List<RandomAccessFile>, private val stat: RandomAccessFile?) : CpuWatch {
    private val bytes = ByteArray(BUFFER)
    private val seen = sortedMapOf<Int, Int>()

    override fun waitedNanos(): Long = schedstats.sumOf { secondNumber(it, bytes) ?: 0L }

    override fun noteCpu() {
        val line = stat?.let { text(it, bytes) } ?: return
        // The name, in brackets, may hold anything; the third field follows it.
        val cpu = line.substringAfterLast(") ").split(' ').getOrNull(PROCESSOR)?.toIntOrNull() ?: return
        seen[cpu] = (seen[cpu] ?: 0) + 1
    }

    override fun cpus(): Map<String, Int> = seen.mapKeys { (cpu, _) -> "$cpu" }

    override fun close() = (schedstats + listOfNotNull(stat)).forEach { it.close() }

    companion object {
        private const val BUFFER = 1024
        private const val SPACE = ' '.code.toByte()
        private const val ZERO = '0'.code

        // Field 39 of all, counted from the third.
        private const val PROCESSOR = 36

        /** For the calling thread and [others] under [proc]; null where the kernel doesn't count. */
        fun open(proc: File, others: Set<String>): ProcWatch? {
            val own = openOrNull(File(proc, "thread-self/schedstat")) ?: return null
            if (text(own, ByteArray(BUFFER)).trim() in setOf("", "0 0 0")) {
                own.close()
                return null
            }
            val more = others.mapNotNull { openOrNull(File(proc, "self/task/$it/schedstat")) }
            return ProcWatch(listOf(own) + more, openOrNull(File(proc, "thread-self/stat")))
        }

        private fun openOrNull(file: File): RandomAccessFile? =
            try {
                RandomAccessFile(file, "r")
            } catch (_: IOException) {
                null
            }

        private fun text(file: RandomAccessFile, bytes: ByteArray): String {
            val length = fill(file, bytes)
            return String(bytes, 0, length, Charsets.ISO_8859_1)
        }

        /** A thread that has ended can't be read any more. */
        private fun fill(file: RandomAccessFile, bytes: ByteArray): Int =
            try {
                file.seek(0)
                maxOf(0, file.read(bytes))
            } catch (_: IOException) {
                0
            }

        private fun secondNumber(file: RandomAccessFile, bytes: ByteArray): Long? {
            val length = fill(file, bytes)
            var at = 0
            while (at < length && bytes[at] != SPACE) at++
            var number = 0L
            var digits = 0
            while (++at < length && bytes[at] in ZERO..ZERO + 9) {
                number = 10 * number + (bytes[at] - ZERO)
                digits++
            }
            return if (digits > 0) number else null
        }
    }
}

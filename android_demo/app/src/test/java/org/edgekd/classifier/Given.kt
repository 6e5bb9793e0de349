package org.edgekd.classifier

import org.junit.Assume.assumeTrue
import java.io.File

/** What the build was given for its tests; those that need more than there is are skipped, and say so. */
internal object given {
    val build: File get() = folder("edgekd.build")
    val assets: File get() = folder("edgekd.assets")

    private fun folder(property: String): File {
        val path = System.getProperty(property).orEmpty()
        assumeTrue("run by no build of ours: $property is not set", path.isNotEmpty())
        return File(path)
    }

    /** Cases of tests/frame_cases.py. */
    val frames: File
        get() {
            val path = System.getProperty("frames").orEmpty()
            assumeTrue("no frames: give -Dframes=FILE", path.isNotEmpty())
            return File(path)
        }

    /** Models of the assets, if this JVM can run them. */
    val models: List<File>
        get() {
            assumeTrue("no stand-ins for Android's libc: needs gcc on x86_64 Linux", File(build, "stand_ins/libc.so").exists())
            val found = assets.listFiles { file -> file.name.endsWith(".tflite") }.orEmpty().sorted()
            assumeTrue("no models: give -Dassets=DIR", found.isNotEmpty())
            return found
        }

    /** Directories of golden vectors, each of one of the models. */
    val goldens: List<File>
        get() {
            models
            val root = System.getProperty("edgekd.golden").orEmpty()
            val started = File(System.getProperty("edgekd.started.in").orEmpty())
            val found = if (root == "") emptyList() else started.resolve(root).listFiles { file -> File(file, "manifest.json").exists() }.orEmpty().sorted()
            assumeTrue("no golden vectors: give -Dgolden=DIR", found.isNotEmpty())
            return found
        }
}

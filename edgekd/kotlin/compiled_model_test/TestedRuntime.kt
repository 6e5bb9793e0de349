package org.edgekd.classifier

/** What GoldenTest runs models with. */
internal fun testedRuntime(): ModelRuntime = CompiledModelRuntime()

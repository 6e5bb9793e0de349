plugins {
    alias(libs.plugins.android.application)
}

android {
    namespace = "org.edgekd.demo"
    compileSdk = 36

    defaultConfig {
        applicationId = "org.edgekd.demo"
        minSdk = 21
        targetSdk = 36
        versionCode = 1
        versionName = "1.0"
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles("proguard-rules.pro")
        }
    }

    // Relative to this folder. The first two are what `edgekd android` writes into an app; this app takes them where they are.
    sourceSets {
        named("main") {
            kotlin.directories += setOf("../../edgekd/kotlin/classifier", "../../edgekd/kotlin/interpreter", "src/gradle/java")
        }
        // This app compares itself with the golden vectors; others leave them to their tests.
        named("debug") { assets.directories += "src/androidTest/assets" }
        named("androidTest") {
            kotlin.directories += setOf("../../edgekd/kotlin/android_test", "../../edgekd/kotlin/interpreter_test")
        }
        named("test") {
            kotlin.directories += setOf(
                "../../tests/simulators/litert", "../../edgekd/kotlin/compiled_model",
                "../../edgekd/kotlin/android_test", "../../edgekd/kotlin/interpreter_test",
            )
        }
    }

    // A stored model is mapped straight from the APK; a compressed one cannot be.
    androidResources { noCompress += "tflite" }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    testOptions {
        unitTests {
            isIncludeAndroidResources = true
            all {
                // What pom.xml gives its tests; those that run a model are skipped, since they need its stand-ins.
                it.systemProperty("edgekd.build", layout.buildDirectory.get().asFile.path)
                it.systemProperty("edgekd.assets", file("src/main/assets").path)
                it.exclude("**/classifier/GoldenTest.class")
            }
        }
    }
}

dependencies {
    implementation(libs.litert)
    implementation(libs.litert.gpu)
    implementation(libs.litert.gpu.api)
    implementation(libs.camera.camera2)
    implementation(libs.camera.lifecycle)

    testImplementation(libs.junit)
    testImplementation(libs.robolectric)
    testImplementation(libs.androidx.test.runner)

    androidTestImplementation(libs.androidx.test.runner)
    androidTestImplementation(libs.junit)
}

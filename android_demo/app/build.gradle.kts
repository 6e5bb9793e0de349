plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

android {
    namespace = "org.edgekd.demo"
    compileSdk = 35

    defaultConfig {
        applicationId = "org.edgekd.demo"
        minSdk = 24
        targetSdk = 35
        versionCode = 1
        versionName = "1.0"
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles("proguard-rules.pro")
        }
    }

    // The files that `edgekd android` writes into an app.
    sourceSets["main"].kotlin.srcDir("../../edgekd/kotlin/classifier")

    // A stored model is mapped straight from the APK; a compressed one cannot be.
    androidResources { noCompress += "tflite" }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    kotlinOptions { jvmTarget = "17" }

    testOptions {
        unitTests {
            isIncludeAndroidResources = true
            // What pom.xml gives its tests; those that run a model are skipped, since they need its stand-ins.
            all {
                it.systemProperty("edgekd.build", layout.buildDirectory.get().asFile.path)
                it.systemProperty("edgekd.assets", file("src/main/assets").path)
            }
        }
    }
}

dependencies {
    // Keeps the package org.tensorflow.lite; its native libraries are aligned to 16 KB pages, as Play asks.
    implementation("com.google.ai.edge.litert:litert:1.4.0")
    // For Delegate.GPU alone: leave both out and nothing else changes.
    implementation("com.google.ai.edge.litert:litert-gpu:1.4.0")
    implementation("com.google.ai.edge.litert:litert-gpu-api:1.4.0")

    testImplementation("junit:junit:4.13.2")
    testImplementation("org.robolectric:robolectric:4.14.1")
}

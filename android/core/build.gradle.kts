// The Kotlin package as an Android library (AAR), from the same sources as pom.xml.
// Not run where this repository is tested: see ../README.md, also for the two commands that must run first.
plugins {
    id("com.android.library")
}

android {
    namespace = "dev.roadbook"
    compileSdk = 36

    defaultConfig {
        minSdk = 26
        consumerProguardFiles("consumer-rules.pro")
        ndk {
            abiFilters += listOf("arm64-v8a", "armeabi-v7a", "x86_64")
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    sourceSets.named("main") {
        kotlin.directories += "target/generated/kotlin"
        jniLibs.directories += "target/jniLibs"
    }

    lint {
        // The generated code asks for java.lang.ref.Cleaner by name and does without it before API 33.
        disable += "NewApi"
    }
}

dependencies {
    api("org.jetbrains.kotlinx:kotlinx-coroutines-android:1.11.0")
    // The AAR, not the JAR: it holds JNA's own native library for every ABI.
    implementation("net.java.dev.jna:jna:5.19.1@aar")
}

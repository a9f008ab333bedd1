// Not run where this repository is tested: see README.md.
buildscript {
    dependencies {
        // The Android plugin brings a Kotlin of its own; this is the one that the Maven build is tested with.
        classpath("org.jetbrains.kotlin:kotlin-gradle-plugin:2.4.21")
    }
}

plugins {
    id("com.android.library") version "9.1.0" apply false
}

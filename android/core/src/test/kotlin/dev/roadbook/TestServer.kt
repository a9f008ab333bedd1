package dev.roadbook

import java.io.File

/** The real server, as a process that keeps its data in [data]; it lies beside the native library. */
internal class TestServer(private val data: File, vararg people: String) : AutoCloseable {
    private val program = File(System.getProperty("jna.library.path"), "roadbook-server").path
    private val process: Process

    /** Where it listens. */
    val url: String

    init {
        command("workspace", "create", "--data", data.path, "Test")
        for (person in people) command("user", "add", "--data", data.path, "--workspace", "Test", "--role", "rep", person)
        process = ProcessBuilder(program, "serve", "--data", data.path, "--listen", "127.0.0.1:0")
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start()
        val said = process.inputStream.bufferedReader().readLine().orEmpty()
        url = checkNotNull(Regex("http://[^ /]+").find(said)) { "the server says no address: $said" }.value
    }

    /** The code of an invitation, good once. */
    fun invite(person: String): String = command("invite", "--data", data.path, "--workspace", "Test", person).lines().last()

    override fun close() {
        process.destroyForcibly().waitFor()
    }

    private fun command(vararg words: String): String {
        val running = ProcessBuilder(program, *words).redirectErrorStream(true).start()
        val said = running.inputStream.bufferedReader().readText().trim()
        check(running.waitFor() == 0) { "${words.joinToString(" ")}: $said" }
        return said
    }
}

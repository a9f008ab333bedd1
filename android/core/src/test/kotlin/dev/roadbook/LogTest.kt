package dev.roadbook

import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.CopyOnWriteArrayList

/** What the core reports of its own faults. */
class LogTest {
    private val lines = CopyOnWriteArrayList<String>()

    /** An observer that throws is a fault at the border, as one of the core would be. */
    private suspend fun Book.fault() {
        val watch = engine.core.watch(object : ChangeObserver {
            override fun changed(notice: ChangeNotice) = error("an observer must not throw")
        })
        thrown<InternalException> { savedDeal() }
        watch.cancel()
    }

    private fun sink(log: (String) -> Unit) = installLogSink(object : LogSink {
        override fun log(level: LogLevel, line: String) = log(line)
    })

    /** The sink is the whole process's, and outlives its test. */
    @AfterEach
    fun silence() = sink {}

    @Test
    fun `a fault of the core is reported with its place`() = withBook { book, _ ->
        sink { lines += it }
        book.fault()
        assertTrue(lines.single().matches(Regex("a fault of the core at .+\\.rs:\\d+:\\d+")), lines.toString())
    }

    @Test
    fun `a sink that throws does not disturb a call`() = withBook { book, _ ->
        sink {
            lines += it
            error("the log is full")
        }
        book.fault()
        assertEquals(1, lines.size)
        assertEquals("Pumps", book.deals().items.single().title)
        book.savedDeal("More pumps")
    }
}

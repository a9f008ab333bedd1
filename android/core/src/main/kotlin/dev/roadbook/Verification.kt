package dev.roadbook

import kotlinx.coroutines.Job
import kotlinx.coroutines.launch

/**
 * Opens, after a sync, the records that came whole from the server: only then are their conflicts known. Works in portions
 * between the user's long calls, and not during a sync, so that both wait for one portion at most.
 */
internal class Verification(private val engine: Engine) {
    private var running: Job? = null

    /** Goes on until every record is checked, a sync begins or the book is closed. */
    @Synchronized
    fun start() {
        stop()
        running = engine.life.launch {
            try {
                while (engine.long { verifySome(PORTION) } > 0uL) Unit
            } catch (_: BookException) {
                // Closed; or the store fails, which the app's own calls tell. The next sync tries again.
            } catch (_: InternalException) {
                // A fault of the core, which the log sink has heard of.
            }
        }
    }

    @Synchronized
    fun stop() {
        running?.cancel()
        running = null
    }

    private companion object {
        /** Some tens of milliseconds of the store's one writer. */
        val PORTION = 50u
    }
}

package dev.roadbook

import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.withContext
import java.io.IOException

/** Runs a session to its end: the core says what to send, the transport sends it, and each answer is one write. */
internal suspend fun Engine.drive(transport: Transport, begin: BlockingBook.() -> SyncSession): SyncEnd {
    var session: SyncSession? = null
    try {
        // Kept before the caller can be cancelled: a session holds the right to sync until it is closed.
        var step = write { begin().also { session = it }.start() }
        val running = checkNotNull(session)
        verification.stop()
        while (true) {
            step = when (val now = step) {
                is SyncStep.Finished -> return now.end
                is SyncStep.Send -> {
                    val answer = transport.answer(now.request)
                    write { running.take(answer) }
                }
            }
        }
    } finally {
        withContext(NonCancellable) {
            session?.let { left ->
                write { left.end() }
                // However it ended: its pages are committed, and an earlier one's may have been left unchecked by a killed app.
                verification.start()
            }
        }
    }
}

private suspend fun Transport.answer(request: HttpRequest): HttpAnswer? = try {
    post(request)
} catch (_: IOException) {
    null
}

private fun SyncSession.take(answer: HttpAnswer?): SyncStep = when (answer) {
    null -> unreachable()
    // A number that is no HTTP status is another program's answer, as 0 is.
    else -> answered((answer.status.takeIf { it in 0..999 } ?: 0).toUShort(), answer.contentType, answer.body)
}

/** Ends a session wherever it is and gives back the right to sync; never throws. */
private fun SyncSession.end() {
    try {
        stop()
    } catch (_: BookException) {
        // The store is closed or full: there is nothing left to stop.
    }
    close()
}

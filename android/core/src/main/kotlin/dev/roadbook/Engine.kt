package dev.roadbook

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.SharedFlow
import kotlinx.coroutines.flow.SharingStarted
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.shareIn
import kotlinx.coroutines.withContext
import kotlin.time.Duration.Companion.seconds

/** A group of the functions of [Book], in a file of its own; nothing else is one. */
public sealed interface BookPart

internal val BookPart.engine: Engine get() = when (this) {
    is Book -> engine
}

/** How often other processes' commits are looked for while somebody observes. */
private val POLL = 1.seconds

/**
 * The blocking core and the threads on which it is called. The views of `Dispatchers.IO` have threads of their own beside its
 * usual ones, so a full IO dispatcher holds up nobody here, and there is nothing to close.
 */
internal class Engine(val core: BlockingBook) {
    private val reads: CoroutineDispatcher = Dispatchers.IO.limitedParallelism(4, "roadbook-read")
    private val writes: CoroutineDispatcher = Dispatchers.IO.limitedParallelism(1, "roadbook-write")
    private val longCalls: CoroutineDispatcher = Dispatchers.IO.limitedParallelism(1, "roadbook-long")

    /** Lives as long as the book is open. */
    val life: CoroutineScope = CoroutineScope(SupervisorJob() + Dispatchers.Default)

    /** Looks for commits of other processes while it is collected, once however many collect it; emits nothing. */
    val otherProcesses: SharedFlow<Unit> = flow<Unit> {
        while (true) {
            delay(POLL)
            try {
                write { noticeOtherProcesses() }
            } catch (_: BookException) {
                // A busy store is asked again; a closed one ends this scope.
            }
        }
    }.shareIn(life, SharingStarted.WhileSubscribed())

    /** Checking what came with a sync. */
    val verification: Verification = Verification(this)

    suspend fun <T> read(call: BlockingBook.() -> T): T = withContext(reads) { core.call() }

    suspend fun <T> write(call: BlockingBook.() -> T): T = withContext(writes) { core.call() }

    suspend fun <T> long(call: BlockingBook.() -> T): T = withContext(longCalls) { core.call() }

    /** Interrupts what reads and blocks until the store is closed; never called by a read, since it waits for all of them. */
    fun close() {
        life.cancel()
        core.shutdown()
    }
}

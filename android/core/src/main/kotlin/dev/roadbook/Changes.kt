package dev.roadbook

import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.job
import kotlinx.coroutines.launch

/** Above this many records a notice says "many", as in the core. */
private const val MANY = 256

/** Notices of one kind, or of all, merged while the collector is busy. */
internal fun Engine.changes(kind: Kind?): Flow<ChangeNotice> = flow {
    val mailbox = Mailbox(kind)
    // On the collector's thread, since it waits for no work: nothing that is committed from here on is missed.
    val watch = core.watch(mailbox)
    val atShutdown = life.coroutineContext.job.invokeOnCompletion { mailbox.close() }
    try {
        coroutineScope {
            val polling = launch { otherProcesses.collect {} }
            for (ring in mailbox.bell) {
                mailbox.take()?.let { emit(it) }
            }
            polling.cancel()
        }
    } finally {
        atShutdown.dispose()
        watch.cancel()
        watch.close()
    }
}

/** Holds at most one notice: a later one is merged into it until it is taken. */
internal class Mailbox(private val kind: Kind?) : ChangeObserver {
    /** Rings when there is something to take. */
    val bell: Channel<Unit> = Channel(Channel.CONFLATED)
    private var waiting: ChangeNotice? = null

    /** Called by the core on the thread that wrote; never waits. */
    override fun changed(notice: ChangeNotice) {
        val wanted = notice.of(kind) ?: return
        synchronized(this) { waiting = waiting?.and(wanted) ?: wanted }
        bell.trySend(Unit)
    }

    fun take(): ChangeNotice? = synchronized(this) { waiting.also { waiting = null } }

    fun close() {
        bell.close()
    }
}

/** The part of a notice that is about one kind; none where there is no such part. */
private fun ChangeNotice.of(kind: Kind?): ChangeNotice? = when (kind) {
    null -> this
    in kinds -> ChangeNotice(listOf(kind), records?.filter { it.kind == kind })
    else -> null
}

private fun ChangeNotice.and(later: ChangeNotice): ChangeNotice {
    val earlier = records
    val more = later.records
    val all = if (earlier == null || more == null) null else (earlier + more).distinct()
    return ChangeNotice((kinds + later.kinds).distinct(), all?.takeIf { it.size <= MANY })
}

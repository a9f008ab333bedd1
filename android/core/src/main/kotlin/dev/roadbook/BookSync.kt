package dev.roadbook

import kotlin.time.Duration

/**
 * Meeting other devices through a server. Each page of a sync is committed by itself: a sync that is cancelled, killed or cut
 * off leaves everything it did, and the next one goes on from there. Screens may read and save meanwhile.
 *
 * No end of a sync is an exception; [BookException] is thrown where the device's own store fails, and [BookException.Busy]
 * while another sync of this book runs, in this or another process.
 */
public sealed interface BookSync : BookPart {
    /**
     * Sends and receives until this device and the server hold the same. After [deadline] it ends at the next page with
     * [SyncEnd.More]. Cancelling the caller gives up the request under way and stops.
     *
     * When it is over, the records that came are checked in the background, in small portions, until another sync begins or the
     * book is shut down.
     */
    public suspend fun sync(deadline: Duration? = null, transport: Transport = HttpUrlTransport()): SyncEnd {
        val most = deadline?.inWholeMilliseconds?.coerceIn(0, UInt.MAX_VALUE.toLong())?.toUInt()
        return engine.drive(transport) { syncSession(most) }
    }

    /**
     * Joins the workspace at [url] with an invitation, then syncs; records made before come along. Throws
     * [BookException.Invalid] for an address or invitation that is none, and [BookException.OtherWorkspace] for an invitation
     * of another workspace than the book's. An invitation that the server does not take ends with [SyncEnd.Rejoin].
     */
    public suspend fun join(
        url: String,
        invite: String,
        deviceName: String,
        transport: Transport = HttpUrlTransport(),
    ): SyncEnd = engine.drive(transport) { joinSession(url, invite, deviceName) }
}

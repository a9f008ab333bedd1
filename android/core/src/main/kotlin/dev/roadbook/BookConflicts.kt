package dev.roadbook

import dev.roadbook.ids.AnyRecordIdentifier

/** What needs a decision: values that disagree, and edits that the server refused. Neither blocks anything else. */
public sealed interface BookConflicts : BookPart {
    /** The fields of a record whose concurrent values differ; the first value of each is the one shown. */
    public suspend fun conflicts(id: AnyRecordIdentifier): List<Conflict> = engine.read { conflicts(id.record) }

    /**
     * The records that have conflicts, at most [limit]. A conflict in a record that came whole from the server, as all do on a
     * new device, is known when the record was opened or checked; [BookSync.sync] has that done in the background when it
     * ends, and observers hear of it. Complete where [BookCare.verifySome] leaves none.
     */
    public suspend fun disputed(limit: Int = 100): List<RecordLink> = engine.read { disputed(rows(limit)) }

    /**
     * Settles a conflict: the chosen value becomes the only one, after sync on every device. Throws [BookException.Invalid]
     * where it was settled meanwhile.
     */
    public suspend fun settle(conflict: Conflict, value: ConflictValue): Unit = settle(conflict.id, value.id)

    /** Settles a conflict by the ids of the conflict and of one of its values. */
    public suspend fun settle(conflict: String, value: String): Unit = engine.write { settle(conflict, value) }

    /** The edits of this device that the server refused. They are kept until their user decides. */
    public suspend fun refusals(): List<Refusal> = engine.read { refusals() }

    /**
     * Makes a refused edit again, on the record as it is now. Throws [BookException.Invalid] where there is no such refusal any
     * more, and where nothing of the edit can be made again, for instance since the record was erased: such a refusal can
     * only be discarded.
     */
    public suspend fun retry(refusal: Refusal): Unit = engine.write { retry(refusal.id) }

    /** Forgets a refused edit. Throws [BookException.Invalid] where there is no such refusal any more. */
    public suspend fun discard(refusal: Refusal): Unit = engine.write { discard(refusal.id) }
}

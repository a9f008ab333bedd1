package dev.roadbook

import dev.roadbook.ids.AnyRecordIdentifier

/** Who changed what, and back again. Both work offline. */
public sealed interface BookHistory : BookPart {
    /** The changes of a record, oldest first, with their authors. */
    public suspend fun history(id: AnyRecordIdentifier): List<HistoryEntry> = engine.read { history(id.record) }

    /**
     * Undoes an action of this device: the given one, or else the last that was not undone. Fields that somebody changed
     * since are left alone and named; so is a whole record that is somebody else's now, where the role does not allow to delete
     * it or to bring it back. Undo the report's `action` to redo. Throws [BookException.NothingToUndo].
     */
    public suspend fun undo(action: ActionId? = null): UndoReport = engine.write { undo(action) }
}

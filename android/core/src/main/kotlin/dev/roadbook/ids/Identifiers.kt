/** The ids of what a book holds, one type each, so that a deal's id cannot be passed where a contact's is meant. */
package dev.roadbook.ids

/** The id of something in a book. */
public sealed interface Identifier {
    /** The id as it is stored, shown and linked. */
    public val text: String
}

/** The id of a record, whether its kind is known or not: a UUID, lower case. */
public sealed interface AnyRecordIdentifier : Identifier {
    /** The same id without its kind, as links, lists and filters about any kind hold it. */
    public val record: RecordIdentifier get() = RecordIdentifier(text)
}

/** The id of a record of any kind. */
@JvmInline
public value class RecordIdentifier(override val text: String) : AnyRecordIdentifier {
    override fun toString(): String = text
}

/** The id of a contact. */
@JvmInline
public value class ContactIdentifier(override val text: String) : AnyRecordIdentifier {
    override fun toString(): String = text
}

/** The id of a deal. */
@JvmInline
public value class DealIdentifier(override val text: String) : AnyRecordIdentifier {
    override fun toString(): String = text
}

/** The id of a task. */
@JvmInline
public value class TaskIdentifier(override val text: String) : AnyRecordIdentifier {
    override fun toString(): String = text
}

/** The id of a person who uses the workspace: a UUID, lower case. */
@JvmInline
public value class UserIdentifier(override val text: String) : Identifier {
    override fun toString(): String = text
}

/** The id of an entry of a record, such as a channel or an address: letters, digits, `-` and `_`, at most 40. */
@JvmInline
public value class EntryIdentifier(override val text: String) : Identifier {
    override fun toString(): String = text
}

/** The id of something that a user did, perhaps to many records: what history names and undo takes back. */
@JvmInline
public value class ActionIdentifier(override val text: String) : Identifier {
    override fun toString(): String = text
}

/** A field of a record, or one entry of it: `value`, `channels/AbC-123_xyz`. */
@JvmInline
public value class FieldIdentifier(override val text: String) : Identifier {
    override fun toString(): String = text
}

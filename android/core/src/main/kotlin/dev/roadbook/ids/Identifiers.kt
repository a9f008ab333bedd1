/** The ids of records and people, one type each, so that a deal's id cannot be passed where a contact's is meant. */
package dev.roadbook.ids

/** The id of something in a book: a UUID as [text], lower case. */
public sealed interface Identifier {
    /** The id as it is stored, shown and linked. */
    public val text: String
}

/** The id of a contact. */
@JvmInline
public value class ContactIdentifier(override val text: String) : Identifier {
    override fun toString(): String = text
}

/** The id of a deal. */
@JvmInline
public value class DealIdentifier(override val text: String) : Identifier {
    override fun toString(): String = text
}

/** The id of a task. */
@JvmInline
public value class TaskIdentifier(override val text: String) : Identifier {
    override fun toString(): String = text
}

/** The id of a person who uses the workspace. */
@JvmInline
public value class UserIdentifier(override val text: String) : Identifier {
    override fun toString(): String = text
}

package dev.roadbook

/**
 * Forms that are being filled in, kept across the death of the app. A draft is no record yet: it is neither checked nor
 * listed nor sent.
 *
 * ```
 * book.keepDraft("deal-form", form)
 * val form = (book.draft("deal-form") as? Edit.SaveDeal)?.record ?: book.newDeal()
 * ```
 */
public sealed interface BookDrafts : BookPart {
    /** Keeps the form of a contact under a name, instead of an earlier one. */
    public suspend fun keepDraft(name: String, form: Contact): Unit = engine.write { keepDraft(name, form.toEdit()) }

    /** Keeps the form of a deal under a name, instead of an earlier one. */
    public suspend fun keepDraft(name: String, form: Deal): Unit = engine.write { keepDraft(name, form.toEdit()) }

    /** Keeps the form of a task under a name, instead of an earlier one. */
    public suspend fun keepDraft(name: String, form: TaskItem): Unit = engine.write { keepDraft(name, form.toEdit()) }

    /** The form kept under a name, with the version that it was read at; none where there is none. */
    public suspend fun draft(name: String): Edit? = engine.read { draft(name) }

    /** Forgets the form kept under a name; does nothing where there is none. */
    public suspend fun dropDraft(name: String): Unit = engine.write { dropDraft(name) }
}

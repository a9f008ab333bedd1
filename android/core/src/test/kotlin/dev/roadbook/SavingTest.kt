package dev.roadbook

import dev.roadbook.ids.ActionIdentifier
import dev.roadbook.ids.DealIdentifier
import dev.roadbook.ids.EntryIdentifier
import dev.roadbook.ids.RecordIdentifier
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.time.LocalDate
import java.time.LocalDateTime

/** Copy, change, save; and what apps decide by when it fails. */
class SavingTest {
    @Test
    fun `copy, change, save keeps what the form did not touch`() = withBook { book, _ ->
        val read = book.savedDeal()
        book.save(read.copy(organization = "Acme"))
        val saved = book.save(read.copy(title = "Big pumps"))
        assertEquals("Big pumps", saved.title)
        assertEquals("Acme", saved.organization)
    }

    @Test
    fun `saving the same form twice writes once`() = withBook { book, _ ->
        val form = book.newDeal().copy(title = "Pumps")
        val first = book.save(form)
        assertEquals(first, book.save(form))
        assertEquals(first, book.save(first))
        assertEquals(1, book.history(first.id).size)
    }

    @Test
    fun `an erased record keeps its id and nothing that says who it was`() = withBook { book, _ ->
        val saved = book.savedDeal()
        book.erase(saved.toLink())
        val erased = book.deal(saved.id)
        assertEquals("", erased.title)
        assertNotNull(erased.deleted)
        thrown<BookException.StaleForm> { book.save(saved.copy(title = "again")) }
    }

    @Test
    fun `all problems of a form arrive, each with its field and code`() = withBook { book, _ ->
        val form = book.newDeal().copy(
            title = "",
            organization = "x".repeat(201),
            value = Money(1, "ZZZ"),
            position = Position(Stage.New, Outcome.Lost),
        )
        val invalid = thrown<BookException.Invalid> { book.save(form) }
        assertEquals(
            mapOf(
                "title" to ProblemCode.Required,
                "organization" to ProblemCode.TooLong(200u),
                "value" to ProblemCode.UnknownCurrency,
                "lost_reason" to ProblemCode.Required,
            ),
            invalid.problems.associate { it.field to it.code },
        )
    }

    @Test
    fun `an id, a date or a time that is none is a problem of the form`() = withBook { book, _ ->
        suspend fun refused(call: suspend () -> Unit): String {
            val problem = thrown<BookException.Invalid> { call() }.problems.single()
            assertEquals(ProblemCode.Format, problem.code)
            return problem.field
        }
        val link = RecordLink(Kind.DEAL, RecordIdentifier("7"))
        val field = CustomField(EntryIdentifier("two words"), CustomValue.Flag(true))
        val task = book.newTask().copy(title = "Call")
        assertEquals("id", refused { book.deal(DealIdentifier("7")) })
        assertEquals("id", refused { book.history(RecordIdentifier("")) })
        assertEquals("id", refused { book.save(task.copy(links = listOf(link))) })
        assertEquals("id", refused { book.save(task.copy(x = listOf(field))) })
        assertEquals("action", refused { book.undo(ActionIdentifier("7")) })
        assertEquals("date", refused { book.save(task.copy(due = Due.Date(LocalDate.MAX))) })
        assertEquals("time", refused { book.save(task.copy(due = Due.Plan(ZonedPlan(LocalDateTime.MAX, "Europe/Berlin")))) })
    }

    @Test
    fun `each refusal to save is a decision of its own`() = withBook { book, _ ->
        thrown<BookException.NothingToUndo> { book.undo() }
        val deal = book.savedDeal()
        val absent = book.newDeal().id
        val notFound = thrown<BookException.NotFound> { book.deal(absent) }
        assertEquals("deal" to absent.text, notFound.kind to notFound.id)
        thrown<BookException.NotFound> { book.conflicts(absent) }
        thrown<BookException.StaleForm> { book.save(deal.copy(version = "no version")) }
        thrown<BookException.Invalid> { book.settle("${Kind.DEAL.name.lowercase()}:${deal.id}/title", "no value") }
        assertEquals(emptyList<Conflict>(), book.conflicts(deal.id))
        assertEquals(emptyList<RecordLink>(), book.disputed())
        assertEquals(emptyList<Refusal>(), book.refusals())
    }

    @Test
    fun `several edits are one action with one undo`() = withBook { book, _ ->
        val old = book.savedDeal("Old")
        val deal = book.newDeal().copy(title = "New")
        val task = book.newTask().copy(title = "Call", links = listOf(deal.toLink()))
        val applied = book.apply(listOf(deal.toEdit(), task.toEdit(), old.toLink().toDeletion()), why = "call")
        assertEquals("New", applied.deals.single().title)
        assertEquals(listOf(deal.toLink()), applied.tasks.single().links)
        assertTrue(applied.contacts.isEmpty())
        assertNotNull(book.deal(old.id).deleted)
        assertEquals("call", book.history(task.id).single().kind)
        assertTrue(book.history(task.id).single().author.own)

        val undone = book.undo(applied.action)
        assertEquals(applied.action, undone.undone)
        assertEquals(3, undone.records.size)
        assertNull(book.deal(old.id).deleted)
        assertNotEquals(undone.action, undone.undone)
    }

    @Test
    fun `nothing of an action is written when one edit fails`() = withBook { book, _ ->
        thrown<BookException.Invalid> {
            book.apply(listOf(book.newDeal().copy(title = "Pumps").toEdit(), book.newTask().toEdit()), why = "call")
        }
        assertTrue(book.deals().items.isEmpty())
    }

    @Test
    fun `a deleted record leaves the lists and can be read`() = withBook { book, _ ->
        val deal = book.savedDeal()
        book.delete(deal.id)
        assertTrue(book.deals().items.isEmpty())
        assertEquals(deal.id, book.deals(DealFilter(deleted = true)).items.single().id)
        assertNotNull(book.deal(deal.id).deleted)
    }

    @Test
    fun `a list of deals shows those with a tag`() = withBook { book, _ ->
        book.savedDeal()
        val tagged = book.save(book.newDeal().copy(title = "Valves", tags = listOf("vip")))
        assertEquals(listOf(tagged.id), book.deals(DealFilter(tag = "vip")).items.map { it.id })
    }

    @Test
    fun `lists come in pages, and search finds across kinds`() = withBook { book, _ ->
        repeat(5) { book.savedDeal("Pumps $it") }
        book.save(book.newTask().copy(title = "Pumps again"))
        val first = book.deals(limit = 3)
        val second = book.deals(after = first.next, limit = 3)
        assertEquals(listOf("Pumps 0", "Pumps 1", "Pumps 2", "Pumps 3", "Pumps 4"), (first.items + second.items).map { it.title })
        assertNull(second.next)
        val found = book.search("pump")
        assertEquals(setOf(Kind.DEAL, Kind.TASK), found.map { it.record.kind }.toSet())
        assertEquals(Kind.TASK, book.kindOf(found.first { it.record.kind == Kind.TASK }.record.id))
        thrown<BookException.Invalid> { book.contacts(after = "no place") }
    }
}

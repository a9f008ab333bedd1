package dev.roadbook

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Forms that outlive the app. */
class DraftsTest {
    @Test
    fun `a draft survives the death of the app and is saved as if nothing had been`() = withBook { book, folder ->
        val form = book.savedDeal().copy(title = "Half ty", value = Money(5, "JPY"))
        book.keepDraft("deal-form", form)
        book.keepDraft("contact-form", book.newContact())
        book.shutdown()

        val again = Book.open(folder.dir, folder.vault)
        assertEquals(Edit.SaveDeal(form), again.draft("deal-form"))
        assertTrue(again.draft("contact-form") is Edit.SaveContact)
        assertNull(again.draft("task-form"))
        assertEquals("Pumps", again.deal(form.id).title)
        assertEquals("Half ty", again.save((again.draft("deal-form") as Edit.SaveDeal).record).title)
        again.dropDraft("deal-form")
        again.dropDraft("deal-form")
        assertNull(again.draft("deal-form"))
        again.shutdown()
    }

    @Test
    fun `a later draft replaces an earlier one of the same name`() = withBook { book, _ ->
        val task = book.newTask()
        book.keepDraft("form", book.newDeal())
        book.keepDraft("form", task.copy(title = "Call"))
        assertEquals(Edit.SaveTask(task.copy(title = "Call")), book.draft("form"))
    }
}

/// Lists and search. `limit` is cut to 1…1000.
extension Book {
    /// Contacts, a page at a time; `after` is the `next` of the page before.
    public func contacts(
        _ filter: ContactFilter = ContactFilter(),
        sort: ContactSort = .name,
        after: String? = nil,
        limit: Int = 50
    ) async throws -> ContactPage {
        try await read { try $0.contacts(filter: filter, sort: sort, after: after, limit: rows(limit)) }
    }

    /// Deals, a page at a time, as ``contacts(_:sort:after:limit:)``.
    public func deals(
        _ filter: DealFilter = DealFilter(),
        sort: DealSort = .title,
        after: String? = nil,
        limit: Int = 50
    ) async throws -> DealPage {
        try await read { try $0.deals(filter: filter, sort: sort, after: after, limit: rows(limit)) }
    }

    /// Tasks, a page at a time, as ``contacts(_:sort:after:limit:)``.
    public func tasks(
        _ filter: TaskFilter = TaskFilter(),
        sort: TaskSort = .due,
        after: String? = nil,
        limit: Int = 50
    ) async throws -> TaskPage {
        try await read { try $0.tasks(filter: filter, sort: sort, after: after, limit: rows(limit)) }
    }

    /// Records of any kind that a text finds.
    public func search(_ text: String, limit: Int = 50) async throws -> [Found] {
        try await read { try $0.search(text: text, limit: rows(limit)) }
    }
}

/// A count of rows as the core takes it: no list is asked for nothing.
func rows(_ limit: Int) -> UInt32 { UInt32(clamping: max(limit, 1)) }

import Roadbook

extension Book {
    /// The whole book as canonical JSON, deleted records included, read as an app reads: pages of rows, then record by record.
    func dump() async throws -> String {
        let contactIds = try await everyId { deleted, after in
            let page = try await self.contacts(ContactFilter(deleted: deleted), after: after)
            return (page.items.map(\.id), page.next)
        }
        let dealIds = try await everyId { deleted, after in
            let page = try await self.deals(DealFilter(deleted: deleted), after: after)
            return (page.items.map(\.id), page.next)
        }
        let taskIds = try await everyId { deleted, after in
            let page = try await self.tasks(TaskFilter(deleted: deleted), after: after)
            return (page.items.map(\.id), page.next)
        }
        var all: [String: [JSON]] = ["contact": [], "deal": [], "task": []]
        for id in contactIds { all["contact"]?.append(try await contact(id).json.filled) }
        for id in dealIds { all["deal"]?.append(try await deal(id).json.filled) }
        for id in taskIds { all["task"]?.append(try await task(id).json.filled) }
        return JSON.object(all.mapValues(JSON.array)).written
    }

    private func everyId<Tag>(
        _ page: (_ deleted: Bool, _ after: String?) async throws -> (ids: [Identifier<Tag>], next: String?)
    ) async throws -> [Identifier<Tag>] {
        var all: [Identifier<Tag>] = []
        for deleted in [false, true] {
            var after: String?
            repeat {
                let (ids, next) = try await page(deleted, after)
                all += ids
                after = next
            } while after != nil
        }
        return all.sortedByBytes(\.text)
    }
}

extension Contact {
    fileprivate var json: JSON {
        .object([
            "id": JSON(id.text),
            "deleted": JSON(deleted?.written),
            "given_name": JSON(givenName),
            "family_name": JSON(familyName),
            "organization": JSON(organization),
            "job_title": JSON(jobTitle),
            "owner": JSON(owner?.text),
            "tags": JSON(tags.sortedByBytes()),
            "channels": .object(Dictionary(uniqueKeysWithValues: channels.map { ($0.id.text, $0.json) })),
            "middle_name": JSON(middleName),
            "name_prefix": JSON(namePrefix),
            "name_suffix": JSON(nameSuffix),
            "addresses": .object(Dictionary(uniqueKeysWithValues: addresses.map { ($0.id.text, $0.json) })),
            "birthday": JSON(birthday),
            "card_note": JSON(cardNote),
            "notes": JSON(notes),
            "x": x.json,
        ])
    }
}

extension Deal {
    fileprivate var json: JSON {
        .object([
            "id": JSON(id.text),
            "deleted": JSON(deleted?.written),
            "title": JSON(title),
            "value": JSON(value.map { "\($0.minor) \($0.currency)" }),
            "position": JSON("\(position.stage.code)/\(position.outcome.code)"),
            "close_date": JSON(closeDate),
            "owner": JSON(owner?.text),
            "organization": JSON(organization),
            "tags": JSON(tags.sortedByBytes()),
            "contacts": JSON(contacts.map(\.text).sortedByBytes()),
            "lost_reason": JSON(lostReason),
            "notes": JSON(notes),
            "x": x.json,
        ])
    }
}

extension TaskItem {
    fileprivate var json: JSON {
        .object([
            "id": JSON(id.text),
            "deleted": JSON(deleted?.written),
            "title": JSON(title),
            "due": JSON(due?.written),
            "priority": JSON(priority.code),
            "status": JSON(status.code),
            "owner": JSON(owner?.text),
            "links": JSON(links.map(\.written).sortedByBytes()),
            "tags": JSON(tags.sortedByBytes()),
            "notes": JSON(notes),
            "x": x.json,
        ])
    }
}

extension Channel {
    fileprivate var json: JSON {
        .object([
            "e164": JSON(e164),
            "extension": JSON(self.extension),
            "kind": JSON(kind.code),
            "label": JSON(label),
            "preferred": .flag(preferred),
            "value": JSON(value),
        ])
    }
}

extension PostalAddress {
    fileprivate var json: JSON {
        .object([
            "city": JSON(city),
            "country": JSON(country),
            "label": JSON(label),
            "postcode": JSON(postcode),
            "region": JSON(region),
            "street": JSON(street),
        ])
    }
}

extension [CustomField] {
    fileprivate var json: JSON {
        .object(Dictionary(uniqueKeysWithValues: map { ($0.id.text, $0.value.json) }))
    }
}

extension CustomValue {
    fileprivate var json: JSON {
        switch self {
        case .text(let text): .text(text)
        case .number(let number): .number(number)
        case .flag(let flag): .flag(flag)
        }
    }
}

extension Instant {
    fileprivate var written: String { "\(ms)\(offsetMinutes < 0 ? "" : "+")\(offsetMinutes)" }
}

extension Due {
    fileprivate var written: String {
        switch self {
        case .date(let date): date
        case .plan(let plan): "\(plan.local)[\(plan.zone)]"
        }
    }
}

extension RecordLink {
    /// `kind:id`.
    var written: String { "\(kind.name):\(id)" }
}

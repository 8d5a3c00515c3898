/// Which events may not have been told yet, in order. The table `event` is sorted by transfer, for its history; an index by
/// number would cost every commit of an event 8 KiB of flash, so this order is kept in memory and made anew at the start.
struct Outbox {
    /// Where an event is in the table.
    struct Entry: Equatable {
        var number: Int64
        var transfer: Int64
    }

    /// In the order of their numbers. 16 bytes an event: without a broker for a year, ten thousand retries take 160 KB.
    private(set) var entries: [Entry] = []
    /// The last event that has been told for sure, and all before it.
    private(set) var told: Int64 = 0

    init() {}

    /// - Parameter entries: in any order.
    init(entries: [Entry], told: Int64) {
        self.entries = entries.filter { $0.number > told }.sorted { $0.number < $1.number }
        self.told = told
    }

    /// - Parameter new: later than all that are there.
    mutating func append(_ new: [Entry]) { entries += new }

    mutating func forget(upTo number: Int64) {
        guard number > told else { return }
        told = number
        entries.removeFirst(entries.prefix { $0.number <= number }.count)
    }

    /// The events after a number.
    func after(_ number: Int64) -> ArraySlice<Entry> { entries.drop { $0.number <= number } }
}

/// Where an answer may go. The agent answers with its own rights, which are wider than those of whoever asks: a Response
/// Topic must not turn an answer into a firmware, a command or a state.
package enum ResponseTopic {
    /// The topic as it was asked for; nil where no answer may go there.
    package static func allowed(_ topic: String, gateway topics: GatewayTopics?) -> String? {
        guard !topic.isEmpty, topic.utf8.count <= 1_024, !topic.contains(where: { $0 == "#" || $0 == "+" }) else {
            return nil
        }
        if topic.hasPrefix("$") { return topic.hasPrefix("$file-response/") ? topic : nil }
        guard topic.hasPrefix("otaferry/") else { return topic }
        return topics.map { topic.hasPrefix($0.root + "/res/") } == true ? topic : nil
    }
}

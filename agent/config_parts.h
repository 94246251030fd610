// The parts of the config's parser, one file each. All note mistakes and go on.
#pragma once

#include "agent/config_node.h"

namespace tandem::agent {

void read_source(const ConfigNode& node, SourceConfig& source, MistakeList& mistakes);
/// tandem_ and the pipeline's name, in the characters that a slot's name may have.
std::string default_object_name(std::string_view pipeline);
void read_log(const ConfigNode& node, LogConfig& log, MistakeList& mistakes);
void read_target(const ConfigNode& node, TargetConfig& target, MistakeList& mistakes);
/// `target` is read before: documents name its tables and must leave our own attribute alone.
void read_documents(const ConfigNode& node, const TargetConfig& target,
                    std::vector<sink::DocumentSpec>& documents, MistakeList& mistakes);
sink::Where read_where(const ConfigNode& node, MistakeList& mistakes);
sink::MapSpec read_map(const ConfigNode& node, MistakeList& mistakes);
sink::ValueSpec read_value_spec(const ConfigNode& node, MistakeList& mistakes);

}  // namespace tandem::agent

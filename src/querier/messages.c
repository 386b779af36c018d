#include "querier/messages.h"

#include <string.h>

/* clang-format off */
#define ONE(name, proto, number, type) \
  {name, proto, number, PYR_T##type, false, false, NULL, NULL, PYR_PLAIN}
#define OPT(name, proto, number, type) \
  {name, proto, number, PYR_T##type, false, true, NULL, NULL, PYR_PLAIN}
#define MANY(name, proto, number, type) \
  {name, proto, number, PYR_T##type, true, false, NULL, NULL, PYR_PLAIN}
#define SUB(name, proto, number, msg) \
  {name, proto, number, PYR_TMESSAGE, false, false, &msg, NULL, PYR_PLAIN}
#define SUBS(name, proto, number, msg) \
  {name, proto, number, PYR_TMESSAGE, true, false, &msg, NULL, PYR_PLAIN}
#define HANDLE(name, proto, number, msg, payload) \
  {name, proto, number, PYR_TMESSAGE, false, false, &msg, NULL, payload}
#define ENUM(name, proto, number, values) \
  {name, proto, number, PYR_TENUM, false, false, NULL, values, PYR_PLAIN}
#define OPTENUM(name, proto, number, values) \
  {name, proto, number, PYR_TENUM, false, true, NULL, values, PYR_PLAIN}
#define END {NULL, NULL, 0, PYR_TINT64, false, false, NULL, NULL, PYR_PLAIN}
#define MESSAGE(id, text, ...) \
  static const pyr_field id##_fields[] = {__VA_ARGS__, END}; \
  static const pyr_message id = {text, id##_fields}

static const pyr_enumvalue profile_format[] = {
  {"PROFILE_FORMAT_UNSPECIFIED", 0}, {"PROFILE_FORMAT_FLAMEGRAPH", 1},
  {"PROFILE_FORMAT_TREE", 2}, {"PROFILE_FORMAT_DOT", 3}, {"PROFILE_FORMAT_PPROF", 4}, {NULL, 0}};
static const pyr_enumvalue async_type[] = {
  {"ASYNC_QUERY_TYPE_DISABLED", 0}, {"ASYNC_QUERY_TYPE_FORCE", 1}, {NULL, 0}};
static const pyr_enumvalue async_status[] = {
  {"ASYNC_QUERY_STATUS_UNKNOWN", 0}, {"ASYNC_QUERY_STATUS_IN_PROGRESS", 1},
  {"ASYNC_QUERY_STATUS_SUCCESS", 2}, {"ASYNC_QUERY_STATUS_FAILURE", 3}, {NULL, 0}};
static const pyr_enumvalue aggregation[] = {
  {"TIME_SERIES_AGGREGATION_TYPE_SUM", 0}, {"TIME_SERIES_AGGREGATION_TYPE_AVERAGE", 1}, {NULL, 0}};
static const pyr_enumvalue exemplar_type[] = {
  {"EXEMPLAR_TYPE_UNSPECIFIED", 0}, {"EXEMPLAR_TYPE_NONE", 1},
  {"EXEMPLAR_TYPE_INDIVIDUAL", 2}, {"EXEMPLAR_TYPE_SPAN", 3}, {NULL, 0}};
static const pyr_enumvalue heatmap_type[] = {
  {"HEATMAP_QUERY_TYPE_UNSPECIFIED", 0}, {"HEATMAP_QUERY_TYPE_INDIVIDUAL", 1},
  {"HEATMAP_QUERY_TYPE_SPAN", 2}, {NULL, 0}};

/* google.v1 */
MESSAGE(value_type, "google.v1.ValueType", ONE("type", "type", 1, INT64), ONE("unit", "unit", 2, INT64));
MESSAGE(pprof_label, "google.v1.Label",
  ONE("key", "key", 1, INT64), ONE("str", "str", 2, INT64), ONE("num", "num", 3, INT64),
  ONE("numUnit", "num_unit", 4, INT64));
MESSAGE(sample, "google.v1.Sample",
  MANY("locationId", "location_id", 1, UINT64), MANY("value", "value", 2, INT64),
  SUBS("label", "label", 3, pprof_label));
MESSAGE(mapping, "google.v1.Mapping",
  ONE("id", "id", 1, UINT64), ONE("memoryStart", "memory_start", 2, UINT64),
  ONE("memoryLimit", "memory_limit", 3, UINT64), ONE("fileOffset", "file_offset", 4, UINT64),
  ONE("filename", "filename", 5, INT64), ONE("buildId", "build_id", 6, INT64),
  ONE("hasFunctions", "has_functions", 7, BOOL), ONE("hasFilenames", "has_filenames", 8, BOOL),
  ONE("hasLineNumbers", "has_line_numbers", 9, BOOL),
  ONE("hasInlineFrames", "has_inline_frames", 10, BOOL));
MESSAGE(line, "google.v1.Line",
  ONE("functionId", "function_id", 1, UINT64), ONE("line", "line", 2, INT64));
MESSAGE(pprof_location, "google.v1.Location",
  ONE("id", "id", 1, UINT64), ONE("mappingId", "mapping_id", 2, UINT64),
  ONE("address", "address", 3, UINT64), SUBS("line", "line", 4, line),
  ONE("isFolded", "is_folded", 5, BOOL));
MESSAGE(function, "google.v1.Function",
  ONE("id", "id", 1, UINT64), ONE("name", "name", 2, INT64),
  ONE("systemName", "system_name", 3, INT64), ONE("filename", "filename", 4, INT64),
  ONE("startLine", "start_line", 5, INT64));
MESSAGE(profile, "google.v1.Profile",
  SUBS("sampleType", "sample_type", 1, value_type), SUBS("sample", "sample", 2, sample),
  SUBS("mapping", "mapping", 3, mapping), SUBS("location", "location", 4, pprof_location),
  SUBS("function", "function", 5, function), MANY("stringTable", "string_table", 6, STRING),
  ONE("dropFrames", "drop_frames", 7, INT64), ONE("keepFrames", "keep_frames", 8, INT64),
  ONE("timeNanos", "time_nanos", 9, INT64), ONE("durationNanos", "duration_nanos", 10, INT64),
  SUB("periodType", "period_type", 11, value_type), ONE("period", "period", 12, INT64),
  MANY("comment", "comment", 13, INT64), ONE("defaultSampleType", "default_sample_type", 14, INT64));

/* types.v1 and querier.v1 */
MESSAGE(label_pair, "types.v1.LabelPair", ONE("name", "name", 1, STRING), ONE("value", "value", 2, STRING));
MESSAGE(labels, "types.v1.Labels", SUBS("labels", "labels", 1, label_pair));
MESSAGE(profile_type, "types.v1.ProfileType",
  ONE("ID", "ID", 1, STRING), ONE("name", "name", 2, STRING), ONE("sampleType", "sample_type", 4, STRING),
  ONE("sampleUnit", "sample_unit", 5, STRING), ONE("periodType", "period_type", 6, STRING),
  ONE("periodUnit", "period_unit", 7, STRING));
MESSAGE(location, "types.v1.Location", ONE("name", "name", 1, STRING));
MESSAGE(go_pgo, "types.v1.GoPGO",
  ONE("keepLocations", "keep_locations", 1, UINT32), ONE("aggregateCallees", "aggregate_callees", 2, BOOL));
MESSAGE(stack_trace_selector, "types.v1.StackTraceSelector",
  SUBS("callSite", "call_site", 1, location), SUB("goPgo", "go_pgo", 2, go_pgo));
MESSAGE(exemplar, "types.v1.Exemplar",
  ONE("timestamp", "timestamp", 1, INT64), ONE("profileId", "profile_id", 2, STRING),
  ONE("spanId", "span_id", 3, STRING), ONE("value", "value", 4, INT64),
  SUBS("labels", "labels", 5, label_pair), ONE("traceId", "trace_id", 6, STRING));
MESSAGE(annotation, "types.v1.ProfileAnnotation", ONE("key", "key", 1, STRING), ONE("value", "value", 2, STRING));
MESSAGE(point, "types.v1.Point",
  ONE("value", "value", 1, DOUBLE), ONE("timestamp", "timestamp", 2, INT64),
  SUBS("annotations", "annotations", 3, annotation), SUBS("exemplars", "exemplars", 4, exemplar));
MESSAGE(series, "types.v1.Series", SUBS("labels", "labels", 1, label_pair), SUBS("points", "points", 2, point));

MESSAGE(types_request, "querier.v1.ProfileTypesRequest", ONE("start", "start", 1, INT64), ONE("end", "end", 2, INT64));
MESSAGE(types_response, "querier.v1.ProfileTypesResponse", SUBS("profileTypes", "profile_types", 1, profile_type));
MESSAGE(values_request, "types.v1.LabelValuesRequest",
  ONE("name", "name", 1, STRING), MANY("matchers", "matchers", 2, STRING),
  ONE("start", "start", 3, INT64), ONE("end", "end", 4, INT64));
MESSAGE(values_response, "types.v1.LabelValuesResponse", MANY("names", "names", 1, STRING));
MESSAGE(names_request, "types.v1.LabelNamesRequest",
  MANY("matchers", "matchers", 1, STRING), ONE("start", "start", 2, INT64), ONE("end", "end", 3, INT64));
MESSAGE(names_response, "types.v1.LabelNamesResponse", MANY("names", "names", 1, STRING));
MESSAGE(series_request, "querier.v1.SeriesRequest",
  MANY("matchers", "matchers", 1, STRING), MANY("labelNames", "label_names", 2, STRING),
  ONE("start", "start", 3, INT64), ONE("end", "end", 4, INT64));
MESSAGE(series_response, "querier.v1.SeriesResponse", SUBS("labelsSet", "labels_set", 2, labels));

MESSAGE(level, "querier.v1.Level", MANY("values", "values", 1, INT64));
MESSAGE(flamegraph, "querier.v1.FlameGraph",
  MANY("names", "names", 1, STRING), SUBS("levels", "levels", 2, level),
  ONE("total", "total", 3, INT64), ONE("maxSelf", "max_self", 4, INT64));
MESSAGE(flamegraph_diff, "querier.v1.FlameGraphDiff",
  MANY("names", "names", 1, STRING), SUBS("levels", "levels", 2, level),
  ONE("total", "total", 3, INT64), ONE("maxSelf", "max_self", 4, INT64),
  ONE("leftTicks", "leftTicks", 5, INT64), ONE("rightTicks", "rightTicks", 6, INT64));
MESSAGE(async_request, "querier.v1.AsyncQueryRequest",
  ONE("requestId", "request_id", 1, STRING), ENUM("type", "type", 2, async_type));
MESSAGE(async_response, "querier.v1.AsyncQueryResponse",
  ONE("requestId", "request_id", 1, STRING), ENUM("status", "status", 2, async_status),
  ONE("errorMessage", "error_message", 3, STRING));
MESSAGE(pprof_profile, "querier.v1.PprofProfile", SUB("profile", "profile", 1, profile));

MESSAGE(stacktraces_request, "querier.v1.SelectMergeStacktracesRequest",
  ONE("profileTypeID", "profile_typeID", 1, STRING), ONE("labelSelector", "label_selector", 2, STRING),
  ONE("start", "start", 3, INT64), ONE("end", "end", 4, INT64), OPT("maxNodes", "max_nodes", 5, INT64),
  ENUM("format", "format", 6, profile_format),
  SUB("stackTraceSelector", "stack_trace_selector", 7, stack_trace_selector),
  MANY("profileIdSelector", "profile_id_selector", 8, STRING), SUB("async", "async", 9, async_request),
  MANY("traceIdSelector", "trace_id_selector", 10, STRING),
  MANY("spanSelector", "span_selector", 11, STRING));
MESSAGE(stacktraces_response, "querier.v1.SelectMergeStacktracesResponse",
  HANDLE("flamegraph", "flamegraph", 1, flamegraph, PYR_HFLAMEGRAPH),
  {"tree", "tree", 2, PYR_TBYTES, false, false, NULL, NULL, PYR_HTREE},
  ONE("dot", "dot", 3, STRING), SUB("async", "async", 4, async_response),
  HANDLE("pprof", "pprof", 5, pprof_profile, PYR_HPPROF));
MESSAGE(span_request, "querier.v1.SelectMergeSpanProfileRequest",
  ONE("profileTypeID", "profile_typeID", 1, STRING), ONE("labelSelector", "label_selector", 2, STRING),
  MANY("spanSelector", "span_selector", 3, STRING), ONE("start", "start", 4, INT64),
  ONE("end", "end", 5, INT64), OPT("maxNodes", "max_nodes", 6, INT64),
  ENUM("format", "format", 7, profile_format));
MESSAGE(span_response, "querier.v1.SelectMergeSpanProfileResponse",
  HANDLE("flamegraph", "flamegraph", 1, flamegraph, PYR_HFLAMEGRAPH),
  {"tree", "tree", 2, PYR_TBYTES, false, false, NULL, NULL, PYR_HTREE});
MESSAGE(profile_request, "querier.v1.SelectMergeProfileRequest",
  ONE("profileTypeID", "profile_typeID", 1, STRING), ONE("labelSelector", "label_selector", 2, STRING),
  ONE("start", "start", 3, INT64), ONE("end", "end", 4, INT64), OPT("maxNodes", "max_nodes", 5, INT64),
  SUB("stackTraceSelector", "stack_trace_selector", 6, stack_trace_selector),
  MANY("profileIdSelector", "profile_id_selector", 7, STRING),
  MANY("traceIdSelector", "trace_id_selector", 8, STRING));
MESSAGE(diff_request, "querier.v1.DiffRequest",
  SUB("left", "left", 1, stacktraces_request), SUB("right", "right", 2, stacktraces_request));
MESSAGE(diff_response, "querier.v1.DiffResponse",
  HANDLE("flamegraph", "flamegraph", 1, flamegraph_diff, PYR_HDIFF));
MESSAGE(selectseries_request, "querier.v1.SelectSeriesRequest",
  ONE("profileTypeID", "profile_typeID", 1, STRING), ONE("labelSelector", "label_selector", 2, STRING),
  ONE("start", "start", 3, INT64), ONE("end", "end", 4, INT64), MANY("groupBy", "group_by", 5, STRING),
  ONE("step", "step", 6, DOUBLE), OPTENUM("aggregation", "aggregation", 7, aggregation),
  SUB("stackTraceSelector", "stack_trace_selector", 8, stack_trace_selector),
  OPT("limit", "limit", 9, INT64), ENUM("exemplarType", "exemplar_type", 10, exemplar_type));
MESSAGE(selectseries_response, "querier.v1.SelectSeriesResponse", SUBS("series", "series", 1, series));
MESSAGE(heatmap_request, "querier.v1.SelectHeatmapRequest",
  ONE("profileTypeID", "profile_typeID", 1, STRING), ONE("labelSelector", "label_selector", 2, STRING),
  ONE("start", "start", 3, INT64), ONE("end", "end", 4, INT64), ONE("step", "step", 5, DOUBLE),
  MANY("groupBy", "group_by", 6, STRING), ENUM("queryType", "query_type", 7, heatmap_type),
  ENUM("exemplarType", "exemplar_type", 8, exemplar_type), OPT("limit", "limit", 9, INT64));
MESSAGE(heatmap_slot, "types.v1.HeatmapSlot",
  ONE("timestamp", "timestamp", 1, INT64), MANY("yMin", "y_min", 2, DOUBLE),
  MANY("counts", "counts", 3, INT32), SUBS("exemplars", "exemplars", 4, exemplar));
MESSAGE(heatmap_series, "types.v1.HeatmapSeries",
  SUBS("labels", "labels", 1, label_pair), SUBS("slots", "slots", 2, heatmap_slot));
MESSAGE(heatmap_response, "querier.v1.SelectHeatmapResponse", SUBS("series", "series", 1, heatmap_series));
static const pyr_field empty_fields[] = {END};
static const pyr_message empty = {"empty", empty_fields};
MESSAGE(stats_response, "types.v1.GetProfileStatsResponse",
  ONE("dataIngested", "data_ingested", 1, BOOL), ONE("oldestProfileTime", "oldest_profile_time", 2, INT64),
  ONE("newestProfileTime", "newest_profile_time", 3, INT64));
MESSAGE(analyze_request, "querier.v1.AnalyzeQueryRequest",
  ONE("start", "start", 2, INT64), ONE("end", "end", 3, INT64), ONE("query", "query", 4, STRING));
MESSAGE(query_scope, "querier.v1.QueryScope",
  ONE("componentType", "component_type", 1, STRING), ONE("componentCount", "component_count", 2, UINT64),
  ONE("blockCount", "block_count", 3, UINT64), ONE("seriesCount", "series_count", 4, UINT64),
  ONE("profileCount", "profile_count", 5, UINT64), ONE("sampleCount", "sample_count", 6, UINT64),
  ONE("indexBytes", "index_bytes", 7, UINT64), ONE("profileBytes", "profile_bytes", 8, UINT64),
  ONE("symbolBytes", "symbol_bytes", 9, UINT64));
MESSAGE(query_impact, "querier.v1.QueryImpact",
  ONE("totalBytesInTimeRange", "total_bytes_in_time_range", 2, UINT64),
  ONE("totalQueriedSeries", "total_queried_series", 3, UINT64),
  ONE("deduplicationNeeded", "deduplication_needed", 4, BOOL));
MESSAGE(analyze_response, "querier.v1.AnalyzeQueryResponse",
  SUBS("queryScopes", "query_scopes", 1, query_scope), SUB("queryImpact", "query_impact", 2, query_impact));
MESSAGE(feature_flag, "capabilities.v1.FeatureFlag",
  ONE("name", "name", 1, STRING), ONE("enabled", "enabled", 2, BOOL),
  ONE("description", "description", 3, STRING), ONE("documentationUrl", "documentation_url", 4, STRING));
MESSAGE(flags_response, "capabilities.v1.GetFeatureFlagsResponse",
  SUBS("featureFlags", "feature_flags", 1, feature_flag));

#define QUERIER "/querier.v1.QuerierService/"

const pyr_method pyr_methods[] = {
  {"ProfileTypes", QUERIER "ProfileTypes", "1.0", &types_request, &types_response},
  {"LabelValues", QUERIER "LabelValues", "1.0", &values_request, &values_response},
  {"LabelNames", QUERIER "LabelNames", "1.0", &names_request, &names_response},
  {"Series", QUERIER "Series", "1.0", &series_request, &series_response},
  {"SelectMergeStacktraces", QUERIER "SelectMergeStacktraces", "1.0", &stacktraces_request, &stacktraces_response},
  {"SelectMergeProfile", QUERIER "SelectMergeProfile", "1.0", &profile_request, &profile},
  {"SelectMergeSpanProfile", QUERIER "SelectMergeSpanProfile", "1.2", &span_request, &span_response},
  {"SelectSeries", QUERIER "SelectSeries", "1.0", &selectseries_request, &selectseries_response},
  {"SelectHeatmap", QUERIER "SelectHeatmap", "1.19", &heatmap_request, &heatmap_response},
  {"Diff", QUERIER "Diff", "1.0", &diff_request, &diff_response},
  {"GetProfileStats", QUERIER "GetProfileStats", "1.5", &empty, &stats_response},
  {"AnalyzeQuery", QUERIER "AnalyzeQuery", "1.6", &analyze_request, &analyze_response},
  {"GetFeatureFlags", "/capabilities.v1.FeatureFlagsService/GetFeatureFlags", "1.14", &empty, &flags_response},
  {NULL, NULL, NULL, NULL, NULL}};
/* clang-format on */

const pyr_method *pyr_method_find (const char *name) {
  const pyr_method *m;
  for (m = pyr_methods; m->name != NULL; m++)
    if (strcmp(m->name, name) == 0) return m;
  return NULL;
}

const pyr_field *pyr_field_numbered (const pyr_message *m, uint32_t number) {
  const pyr_field *f;
  for (f = m->fields; f->name != NULL; f++)
    if (f->number == number) return f;
  return NULL;
}

static bool equal (const char *name, const char *text, size_t len) {
  return strncmp(name, text, len) == 0 && name[len] == '\0';
}

const pyr_field *pyr_field_named (const pyr_message *m, const char *name, size_t len) {
  const pyr_field *f;
  for (f = m->fields; f->name != NULL; f++)
    if (equal(f->name, name, len) || equal(f->proto, name, len)) return f;
  return NULL;
}

unsigned pyr_field_wire (const pyr_field *f) {
  switch (f->type) {
  case PYR_TDOUBLE:
    return 1;
  case PYR_TSTRING:
  case PYR_TBYTES:
  case PYR_TMESSAGE:
    return 2;
  default:
    return 0;
  }
}

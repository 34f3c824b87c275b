package serve

import (
	"io"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics answers who measures: Prometheus, whoever asks whether it is well, and pprof.
func (s *Service) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector(), figures{s})
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// figures are what Prometheus is told of a server.
type figures struct{ service *Service }

var (
	gauge = func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("once_server_"+name, help, nil, nil)
	}

	connections = gauge("connections", "Connections that stand.")
	peers       = gauge("peers", "Nodes that are there.")
	networks    = gauge("networks", "Networks that somebody is in.")
	watchers    = gauge("watchers", "Nodes that are told of others.")
	circuits    = gauge("circuits", "Circuits that are lent.")
	lent        = gauge("circuits_total", "Circuits that were lent.")
	relayed     = gauge("relayed_octets_total", "Octets that have passed through circuits.")
	unusual     = prometheus.NewDesc("once_server_unusual_total", "What is unusual, by what it is.", []string{"what"}, nil)
)

// Describe implements [prometheus.Collector].
func (f figures) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(f, to) }

// Collect implements it too.
func (f figures) Collect(to chan<- prometheus.Metric) {
	status := f.service.server.Status()
	for _, m := range []struct {
		desc  *prometheus.Desc
		kind  prometheus.ValueType
		value float64
	}{
		{connections, prometheus.GaugeValue, float64(status.Connections)}, {peers, prometheus.GaugeValue, float64(status.Peers)},
		{networks, prometheus.GaugeValue, float64(status.Networks)}, {watchers, prometheus.GaugeValue, float64(status.Watchers)},
		{circuits, prometheus.GaugeValue, float64(status.Relay.Circuits)}, {lent, prometheus.CounterValue, float64(status.Relay.Lent)},
		{relayed, prometheus.CounterValue, float64(status.Relay.Octets)},
	} {
		to <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value)
	}
	for what, n := range status.Counts {
		to <- prometheus.MustNewConstMetric(unusual, prometheus.CounterValue, float64(n), what)
	}
}

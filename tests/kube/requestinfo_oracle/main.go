// Command requestinfo_oracle asks the API server's own code what requests mean.
//
// It makes up request lines from a fixed seed, lets net/http read each one, and writes what k8s.io/apiserver's RequestInfoFactory
// makes of it as one JSON array a line:
//
//	[method, target, error]                                       where Go refuses the request
//	[method, target, "", resource?, path, verb, group, version, namespace, resource, subresource, name,
//	 fieldSelector, labelSelector, follow, tty, stdin, container, [command…], [ports…] or null]
//
// Run it as regenerate.sh does.
package main

import (
	"bufio"
	"encoding/json"
	"math/rand"
	"net/http"
	"net/url"
	"os"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/klog/v2"
)

const count = 9000

var (
	rng = rand.New(rand.NewSource(20261124))

	methods = []string{"GET", "GET", "GET", "GET", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "get", "Get", "TRACE", "LIST"}

	plain = []string{
		"api", "apis", "v1", "v1beta1", "apps", "batch", "rbac.authorization.k8s.io", "namespaces", "namespaces", "default", "kube-system",
		"pods", "pods", "nodes", "services", "secrets", "deployments", "serviceaccounts", "web-0", "system:node", "https:web:443", "status",
		"finalize", "exec", "attach", "portforward", "log", "proxy", "proxy", "watch", "watch", "token", "ephemeralcontainers", "scale", "healthz",
		"openapi", "v3", "version", "metrics", "a.b.c", "pods.metrics.k8s.io", "*", "a,b", "x=y", "~me", "@", "a+b", "$x",
	}
	odd = []string{
		"", "", ".", "..", "%2e", "%2E%2e", ".%2e", "%2F", "default%2Fpods", "pods%2Fexec", "%5C", "a%5Cb", "%00", "%0a", "%7f", "%c2%85", "%ff",
		"%C3%A9", "%70ods", "%6eamespaces", "ap%69", "w%61tch", "p%72oxy", "e%78ec", "%", "%z", "%4", "%25", "%252F", "a;b", "%3B", "a%3Bb", "%20", "a%20b",
		"%3F", "%23", "a#b", "a\\b", "\"", "<x>", "{y}", "[z]", "|", "^", "`", "%2B", "...", ".hidden", "a..b", "%E2%80%A8", "é", "PODS", "Namespaces", "Api",
	}
	shapes = [][]string{
		{"api", "v1"}, {"apis", "apps", "v1"}, {"api", "v1", "namespaces"}, {"apis", "apps", "v1", "namespaces"}, {"apis"}, {"api"}, {},
		{"api", "v1", "namespaces", "default", "pods"}, {"api", "v1", "namespaces", "default", "pods", "web-0"}, {"api", "v1", "watch"},
		{"api", "v1", "proxy"}, {"api", "v1", "watch", "namespaces", "default"}, {"api", "v1", "namespaces", "default", "services", "web", "proxy"},
		{"api", "v1", "nodes", "n1", "proxy"}, {"api", "v1", "namespaces", "default", "pods", "web-0", "exec"},
		{"api", "v1", "namespaces", "default", "pods", "web-0", "log"}, {"api", "v1", "namespaces", "default", "pods", "web-0", "portforward"},
		{"api", "v1", "pods"}, {"api", "v1", "pods"}, {"apis", "apps", "v1", "deployments"}, {"apis", "batch", "v1", "namespaces", "default", "jobs"},
		{"api", "v1", "namespaces", "default"}, {"api", "v1", "namespaces", "default", "status"}, {"api", "v1", "nodes"},
	}

	keys = []string{
		"watch", "watch", "watch", "w%61tch", "Watch", "WATCH", "watch+", "limit", "limit", "timeoutSeconds", "fieldSelector", "fieldSelector",
		"fieldSelector", "labelSelector", "labelSelector", "follow", "command", "command", "container", "tty", "stdin", "stdout", "ports", "ports",
		"resourceVersion", "pretty", "", "a;b", "%", "%ff", "a%00", "fieldselector", "continue", "allowWatchBookmarks", "sendInitialEvents",
	}
	values = map[string][]string{
		"watch":          {"true", "1", "0", "false", "FALSE", "False", "fal%73e", "", "no", "yes", "+", "fal%C5%BFe", "%30", "true;x", "t%", "%ff", "0%00", "falſe"},
		"limit":          {"500", "0", "-1", "%2B5", "+5", "", "x", "5_0", "99999999999999999999", "0x10", "1e3", "9223372036854775807"},
		"timeoutSeconds": {"30", "", "30s", "-5", "05"},
		"fieldSelector": {
			"metadata.name=web-0", "metadata.name%3Dweb-0", "metadata.name==web-0", "metadata.name%3D%3Dweb-0", "metadata.name!=web-0",
			"metadata.name%21%3Dweb-0", "metadata.name=", "metadata.name=..", "metadata.name=a%2Fb", "metadata.name=a%2525", "metadata.name",
			"metadata.name=b,metadata.name=a", "metadata.name=b%2Cspec.x=y", "status.phase!=Running,metadata.name=z", ",metadata.name=q,",
			"metadata.name=a%5C,b", "metadata.name=a%5C%5C", "metadata.name=a%5C", "metadata.name=a%5Cx", "metadata.name=a=b", "=", "=x", "", ",",
			"metadata.name=a+b", "metadata.name=%C3%A9", "metadata.name=a%0Ab", "Metadata.name=x", "metadata.name===x", "metadata%5C.name=x",
			"spec.nodeName=n1", "metadata.name=web-0;x", "metadata.namespace=default,metadata.name=web-1", "a%5C=metadata.name=x",
		},
		"labelSelector": {
			"app=web", "app%3Dweb", "app!=web", "app", "!app", "app+in+(a,b)", "app%20notin%20(a,b)", "app in", "a==b", "example.com/app=web", "a=b,c=d",
			"a=b,", ",a=b", "=x", "-a=b", "a=-b", "a=b c", "in", "in=x", "in in (in)", "x+in+()", "x+in+(,)", "x+gt+5", "x>5", "%21x", "%21x=y", "a=b%0A", "",
			"+", "UPPER/a=b", "a/b/c", "a=" + strings.Repeat("x", 63), "a=" + strings.Repeat("x", 64), strings.Repeat("y", 64), "a%2Cb", "a+=+b", "a+!=+", "a.b_c=1.2_3",
		},
		"follow":    {"true", "false", "0", "", "1", "FALSE"},
		"command":   {"sh", "-c", "echo+hi", "a%20b", "tar", "cf", "-", "%2Ftmp", "a%0Ab", "%00", "é%C3%A9", "a=b", "a%26b", ""},
		"container": {"app", "istio-proxy", "", "a%2Fb", "a%0Ab", "+"},
		"tty":       {"true", "false", "0", "1", ""},
		"stdin":     {"true", "false", "0", "1", ""},
		"ports":     {"80", "80,443", "80%2C443", "", "x", "0", "65536", "65535", "-1", "%2B80", "080", "80,"},
	}
	other = []string{"", "x", "true", "%41", "%4", "a;b", "a&b", "a=b=c", "a+b", "?", "/", "//", "a/../b", "#f", "%ff", "1.2"}
)

func pick(from []string) string { return from[rng.Intn(len(from))] }

func segment() string {
	if rng.Intn(8) == 0 {
		return pick(odd)
	}
	return pick(plain)
}

func path() string {
	parts := append([]string{}, shapes[rng.Intn(len(shapes))]...)
	for n := rng.Intn(5); n > 0; n-- {
		parts = append(parts, segment())
	}
	if len(parts) > 0 && rng.Intn(5) == 0 {
		parts[rng.Intn(len(parts))] = segment()
	}
	made := "/" + strings.Join(parts, "/")
	switch rng.Intn(40) {
	case 0, 1, 2:
		made += "/"
	case 3:
		made = "/" + made
	case 4:
		made = "https://h" + made
	case 5:
		made = strings.TrimPrefix(made, "/")
	}
	return made
}

func query() string {
	pairs := []string{}
	for n := rng.Intn(4); n > 0; n-- {
		key := pick(keys)
		from := values[key]
		if from == nil || rng.Intn(30) == 0 {
			from = other
		}
		if rng.Intn(25) == 0 {
			pairs = append(pairs, key)
		} else {
			pairs = append(pairs, key+"="+strings.ReplaceAll(pick(from), " ", "+"))
		}
	}
	if len(pairs) == 0 && rng.Intn(10) > 0 {
		return ""
	}
	return "?" + strings.Join(pairs, "&")
}

func truth(values url.Values, key string) (found bool) {
	given := values[key]
	if err := runtime.Convert_Slice_string_To_bool(&given, &found, nil); err != nil {
		panic(err)
	}
	return found
}

func ports(values url.Values) []int32 {
	given, found := values["ports"], []int32{}
	if err := metav1.Convert_Slice_string_To_Slice_int32(&given, &found, nil); err != nil {
		return nil
	}
	return found
}

func ask(factory *request.RequestInfoFactory, method, target string) []any {
	text := method + " " + target + " HTTP/1.1\r\nHost: h\r\n\r\n"
	read, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return []any{method, target, "request: " + err.Error()}
	}
	info, err := factory.NewRequestInfo(read)
	if err != nil {
		return []any{method, target, "info: " + err.Error()}
	}
	values := read.URL.Query()
	return []any{
		method, target, "", info.IsResourceRequest, info.Path, info.Verb, info.APIGroup, info.APIVersion, info.Namespace, info.Resource,
		info.Subresource, info.Name, info.FieldSelector, info.LabelSelector, truth(values, "follow"), truth(values, "tty"),
		truth(values, "stdin"), values.Get("container"), append([]string{}, values["command"]...), ports(values),
	}
}

func main() {
	klog.LogToStderr(false)
	klog.SetOutput(&strings.Builder{})
	factory := &request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	seen := map[string]bool{}
	for len(seen) < count {
		method, target := pick(methods), path()+query()
		if key := method + " " + target; !seen[key] && !strings.Contains(target, " ") {
			seen[key] = true
			if err := out.Encode(ask(factory, method, target)); err != nil {
				panic(err)
			}
		}
	}
}

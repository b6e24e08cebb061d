// Writes the contracts of grpc-go's interop tests to a file, as a FileDescriptorSet.
package main

import (
	"os"

	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

func main() {
	set := &descriptorpb.FileDescriptorSet{}
	add(set, grpc_testing.File_grpc_testing_test_proto, map[string]bool{})
	bytes, err := proto.Marshal(set)
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(os.Args[1], bytes, 0o644); err != nil {
		panic(err)
	}
}

// add puts the imports of a file before it.
func add(set *descriptorpb.FileDescriptorSet, file protoreflect.FileDescriptor, seen map[string]bool) {
	if seen[file.Path()] {
		return
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		add(set, file.Imports().Get(i), seen)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
}

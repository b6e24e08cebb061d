import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { type GrpcOptions, Transport } from '@nestjs/microservices';
import { AppModule } from './app.module.js';

const app = await NestFactory.createMicroservice<GrpcOptions>(AppModule, {
  transport: Transport.GRPC,
  options: {
    package: 'users.v1',
    protoPath: process.env.PROTO_FILE ?? 'users.proto',
    url: process.env.GRPC_ADDRESS ?? '127.0.0.1:50051',
    loader: { longs: Number, enums: String, arrays: true },
  },
  logger: ['error', 'warn'],
});
app.enableShutdownHooks();
await app.listen();
